"""Whether the breakers before a service are to trip: by its own evidence, and by its saturation. Pure.

The evidence is that of the library inside applications (:mod:`sternway_guard.judges`), with the same budget of false
trips and the same floor of harm, on windows of counts in place of calls. The hour before shows what is normal.

A service is saturated while it has more requests in flight than it could have if it were well: twice what the busiest
window of the hour would have in flight if each request took as long as the latency objective allows (Little's law).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from sternway_guard import Learned
from sternway_guard.judges import LearnedJudge

from models.breaker import Trip
from models.catalog import Breakers, Slos
from models.intent import Tier
from models.telemetry import USERS, Count, NoData, Window, WindowReading

LEARNED: Final = Learned()
WITHOUT_HISTORY: Final = Learned(tolerated=LEARNED.harm)
"""Where nobody knows what was normal, everything below the floor of harm is taken for it."""

ROOM: Final = 2.0
"""Requests in flight, in multiples of the most that a healthy service has."""

FEWEST_IN_FLIGHT: Final = 10
"""Fewer are never a limit: so many may arrive together."""

LOOKS_CROWDED: Final = 3
"""In a row, at which there were too many in flight."""


class Watch:
    """Of one service, look by look. The releases are judged, and not what users saw of a fallback."""

    def __init__(self, service: str, breakers: Breakers, slos: Slos, history: Sequence[WindowReading]) -> None:
        """*history*: the windows before the first look, the oldest first; empty where nobody keeps them."""
        self._service = service
        self._breakers = breakers
        counts = [count for reading in history if (count := _count(reading)).requests]
        self._judge = LearnedJudge(LEARNED if counts else WITHOUT_HISTORY)
        self._last = Count(requests=0, errors=0, slow=0)
        self._failing = False
        for count in counts:
            self._judged(count)
        self._limit = _limit(breakers, slos, history)
        self._crowded: list[int] = []

    def look(self, window: WindowReading, in_flight: int | NoData) -> tuple[Trip, ...]:
        """Which tiers' breakers are to trip now. *window* begins where that of the look before ended. *in_flight*: at
        all releases together."""
        self._judged(_count(window))
        crowded = isinstance(in_flight, int) and self._limit is not None and in_flight >= self._limit
        self._crowded = [*self._crowded, in_flight] if crowded and isinstance(in_flight, int) else []
        return tuple(trip for trip in (self._by_evidence(), self._by_saturation()) if trip)

    def _judged(self, count: Count) -> None:
        if count.requests:
            bad = _bad(count)
            # What has gone on for long is remembered for long: it must also go on now.
            self._failing = self._judge.window(count.requests - bad, bad) and not _healthy(count)
            self._last = count

    def _by_evidence(self) -> Trip | None:
        if not self._failing:
            return None
        because = (
            f"{_bad(self._last):,} of the last {self._last.requests:,} requests to {self._service} were bad; "
            f"up to {self._judge.baseline:.2%} are normal"
        )
        return Trip(tier=Tier.SERVICE, because=because)

    def _by_saturation(self) -> Trip | None:
        if self._limit is None or len(self._crowded) < LOOKS_CROWDED:
            return None
        because = (
            f"{self._service} had {min(self._crowded):,} requests in flight or more at {len(self._crowded)} looks; "
            f"a healthy one has less than {self._limit:,}"
        )
        return Trip(tier=Tier.SYSTEM, because=because, max_requests=self._limit)


def _limit(breakers: Breakers, slos: Slos, history: Sequence[WindowReading]) -> int | None:
    """Requests in flight from which on it is saturated; none where the policy does not ask, or nobody knows."""
    if breakers.shed is None:
        return None
    if breakers.shed.max_requests is not None:
        return breakers.shed.max_requests
    windows = (reading for reading in history if isinstance(reading, Window) and _healthy(_count(reading)))
    rates = [_count(window).requests / window.seconds for window in windows]
    if not rates or slos.latency is None:
        return None
    return max(FEWEST_IN_FLIGHT, math.ceil(ROOM * max(rates) * slos.latency.threshold_ms / 1000))


def _healthy(count: Count) -> bool:
    return count.requests > 0 and _bad(count) < LEARNED.harm * count.requests


def _count(reading: WindowReading) -> Count:
    """Of all releases."""
    arms = [count for arm, count in reading.arms.items() if arm != USERS] if isinstance(reading, Window) else []
    return Count(
        requests=sum(count.requests for count in arms),
        errors=sum(count.errors for count in arms),
        slow=sum(count.slow for count in arms),
    )


def _bad(count: Count) -> int:
    """Failed or slow. Those that were both are counted twice, but never as more than there were."""
    return min(count.requests, count.errors + count.slow)
