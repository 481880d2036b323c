"""Multi-window burn rates. Pure: a history and the objectives go in, what burns comes out.

The burn rate is the share of bad requests divided by the share that the objective allows. A pair of windows burns while
both rates exceed the factor. What cannot be known is a state of its own: a firing alert is not ended by missing data or
by a lack of traffic, and none begins because of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from models.catalog import Slos
from workers.watch.history import Covered, History
from workers.watch.windows import BurnWindow

_YOUNG = 0.9
"""The short window must be covered to this share before it says anything."""


class Slo(StrEnum):
    AVAILABILITY = "availability"
    LATENCY = "latency"


class State(StrEnum):
    BURNING = "burning"
    QUIET = "quiet"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Rate:
    """Bad requests in one window."""

    seconds: float
    requests: int
    bad: int
    budget: float
    """The share of bad requests that the objective allows, 0 to 1."""

    @property
    def burn(self) -> float:
        """How many times as fast as allowed the budget burns; 0 where there were no requests."""
        return self.bad / self.requests / self.budget if self.requests else 0.0


@dataclass(frozen=True)
class Burn:
    """One objective of a service over one pair of windows."""

    slo: Slo
    window: BurnWindow
    state: State
    long: Rate
    short: Rate


def burns(
    history: History, slos: Slos, windows: tuple[BurnWindow, ...], min_requests: int, now: float
) -> tuple[Burn, ...]:
    """Each objective over each pair of windows.

    *min_requests*: fewer in the short window say nothing. *now*: seconds since 1970; a history whose newest reading is
    older than the short window says nothing either.
    """
    return tuple(_burn(history, slo, budget, w, min_requests, now) for slo, budget in budgets(slos) for w in windows)


def budgets(slos: Slos) -> tuple[tuple[Slo, float], ...]:
    """The objectives that the catalog gives, each with the share of bad requests that it allows."""
    found = [(Slo.AVAILABILITY, slos.availability.objective)]
    if slos.latency:
        found.append((Slo.LATENCY, slos.latency.objective))
    return tuple((slo, round(1 - objective / 100, 12)) for slo, objective in found)


def _burn(history: History, slo: Slo, budget: float, window: BurnWindow, min_requests: int, now: float) -> Burn:
    long, short = (_rate(history.over(length), slo, budget) for length in (window.long, window.short))
    known = history.newest is not None and now - history.newest <= window.short
    return Burn(slo, window, _state(long, short, window, min_requests) if known else State.UNKNOWN, long, short)


def _state(long: Rate, short: Rate, window: BurnWindow, min_requests: int) -> State:
    if long.burn <= window.factor:
        return State.QUIET
    if short.requests < min_requests or short.seconds < window.short * _YOUNG:
        return State.UNKNOWN
    return State.BURNING if short.burn > window.factor else State.QUIET


def _rate(covered: Covered, slo: Slo, budget: float) -> Rate:
    bad = covered.errors if slo is Slo.AVAILABILITY else covered.slow
    return Rate(covered.seconds, covered.requests, min(bad, covered.requests), budget)
