"""Measured traffic as raw, cumulative counts; "no data" is a value of its own and never a zero."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from models.base import Frozen, Time

HISTORY_WINDOWS = 240
HISTORY_WINDOW_SECONDS = 15
HISTORY = timedelta(seconds=HISTORY_WINDOWS * HISTORY_WINDOW_SECONDS)
"""How far back a source is asked: an hour, in windows of equal length."""

USERS = "users"
"""The arm that counts what callers saw at the service's listener: retries and fallbacks included."""


class Count(Frozen):
    """Requests of one arm. Cumulative inside :class:`Totals`, a difference inside :class:`Window`."""

    requests: int
    errors: int
    slow: int
    """Requests slower than the service's latency objective."""


class Totals(Frozen):
    """Cumulative counts for each arm since the source began to count."""

    kind: Literal["totals"] = "totals"
    service: str
    region: str
    at: Time
    epoch: str
    """Changes when the source starts counting anew; totals of different epochs cannot be subtracted."""
    arms: dict[str, Count]
    """By release, and :data:`USERS`."""


class Signals(Frozen):
    """What callers saw at a service's listener since the source began to count, and how many wait at this moment."""

    kind: Literal["signals"] = "signals"
    service: str
    region: str
    at: Time
    epoch: str
    """As that of :class:`Totals`."""
    slow_ms: FiniteFloat | None
    """The latency objective by which :attr:`users` were counted as slow; counts by different ones do not compare."""
    users: Count
    timed: int
    """Requests whose time is known: those that were answered. A caller who gave up waiting has none, and is slow."""
    times: tuple[tuple[FiniteFloat, int], ...]
    """The cumulative histogram: how many took at most so many milliseconds, by rising bounds. The last bucket, which
    has no bound, is :attr:`timed`. Empty where the source keeps no buckets of a service without a request."""
    in_flight: int
    """Requests that callers wait for, over all releases."""


class NoData(Frozen):
    """Nothing was measured, and why. It never passes a gate."""

    kind: Literal["no-data"] = "no-data"
    service: str
    region: str
    reason: str


class Window(Frozen):
    """Counts for each arm between two instants."""

    kind: Literal["window"] = "window"
    service: str
    region: str
    seconds: float
    arms: dict[str, Count]


TotalsReading = Annotated[Totals | NoData, Field(discriminator="kind")]
WindowReading = Annotated[Window | NoData, Field(discriminator="kind")]


def between(earlier: Totals | NoData, later: Totals | NoData) -> Window | NoData:
    """The counts between two readings of one service; no data where either is missing or the source was restarted."""
    if isinstance(earlier, NoData):
        return earlier
    if isinstance(later, NoData):
        return later
    service, region = later.service, later.region
    if earlier.epoch != later.epoch:
        return NoData(service=service, region=region, reason="the source began to count anew inside the window")
    seconds = (later.at - earlier.at).total_seconds()
    if seconds <= 0:
        return NoData(service=service, region=region, reason="the source shows no newer sample")
    zero = Count(requests=0, errors=0, slow=0)
    arms: dict[str, Count] = {}
    for arm, now in later.arms.items():
        then = earlier.arms.get(arm, zero)
        difference = {f: getattr(now, f) - getattr(then, f) for f in ("requests", "errors", "slow")}
        if min(difference.values()) < 0:
            return NoData(service=service, region=region, reason=f"the counters of {arm} went backwards")
        arms[arm] = Count(**difference)
    return Window(service=service, region=region, seconds=seconds, arms=arms)
