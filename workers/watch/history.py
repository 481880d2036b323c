"""What users saw of one service in the past, bounded however long the windows are.

Only differences between neighbouring readings are added up. So a source that begins to count anew costs the interval
in which it did, and not every window that reaches back across it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from models.telemetry import USERS, Count, NoData, Totals, Window, between

RESOLUTION = 60
"""Points kept for a window. Its far end is at most this fraction of it too early."""

SET_BACK = 60.0
"""Seconds by which a reading is older than the one before it where the source's clock was set back: no late answer is.
Waiting for that clock to come to where it was would be blindness for as long."""


class Covered(NamedTuple):
    """The users' counts inside a window. *seconds*: as much of it as there is history for."""

    seconds: float
    requests: int
    errors: int
    slow: int


class _Point(NamedTuple):
    at: float
    requests: int
    errors: int
    slow: int


class History:
    """*lengths*: of the windows that will be asked for, in seconds."""

    def __init__(self, lengths: Iterable[float]) -> None:
        self._lengths = tuple(lengths)
        self._begin()

    def _begin(self) -> None:
        self._tracks: dict[float, deque[_Point]] = {length: deque() for length in self._lengths}
        self._last: Totals | None = None
        self._sum = _Point(0.0, 0, 0, 0)

    @property
    def newest(self) -> float | None:
        """When the last reading was taken, in seconds since 1970; none before the first."""
        return self._last.at.timestamp() if self._last else None

    def add(self, reading: Totals | NoData) -> Count | NoData:
        """Take in a reading; what users saw since the last one."""
        if isinstance(reading, NoData):
            return reading
        if self._last and (self._last.at - reading.at).total_seconds() > SET_BACK:
            self._begin()
        before, at = self._last, reading.at.timestamp()
        if before is not None and reading.at <= before.at:
            return NoData(service=reading.service, region=reading.region, reason="the source shows no newer sample")
        self._last = reading
        window = between(before, reading) if before else None
        seen = window.arms.get(USERS) if isinstance(window, Window) else None
        added = seen or Count(requests=0, errors=0, slow=0)
        total = self._sum
        self._sum = _Point(at, total.requests + added.requests, total.errors + added.errors, total.slow + added.slow)
        for length, track in self._tracks.items():
            self._push(track, length)
        if isinstance(window, NoData):
            return window
        return seen or NoData(service=reading.service, region=reading.region, reason="this is the first reading")

    def over(self, length: float) -> Covered:
        """The counts of the last *length* seconds before the newest reading."""
        track, now = self._tracks[length], self._sum
        if not track:
            return Covered(0.0, 0, 0, 0)
        base = track[0]
        for point in track:
            if point.at > now.at - length:
                break
            base = point
        return Covered(now.at - base.at, now.requests - base.requests, now.errors - base.errors, now.slow - base.slow)

    def _push(self, track: deque[_Point], length: float) -> None:
        if not track or self._sum.at - track[-1].at >= length / RESOLUTION:
            track.append(self._sum)
        while len(track) > 1 and track[1].at <= self._sum.at - length:
            track.popleft()
