"""Whether the breakers before a service are to trip: by its own evidence, and by its saturation. Pure.

The evidence is that of the library inside applications (:mod:`sternway_guard.judges`), with the same budget of false
trips, on windows of counts in place of calls: once for requests that fail and once for those that are slow. The hour
before shows what is normal. What the objectives allow is no harm, whatever was normal.

A service is saturated while it has more requests in flight than it could have if it were well: twice what the busiest
window of the hour would have in flight if each request took as long as the latency objective allows (Little's law).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Final

from sternway_guard import Learned
from sternway_guard.judges import LearnedJudge

from activities.analytics.objectives import Objective, objectives
from models.breaker import Trip
from models.catalog import BreakerPolicy, Slos
from models.intent import Tier
from models.telemetry import HISTORY_WINDOW_SECONDS, USERS, Count, NoData, Window, WindowReading

USUAL: Final = Learned()

HARM: Final = 0.05
"""Share of bad requests, beyond what the objective allows, below which nothing trips. The library's own floor is
higher: its breakers turn everything away, and these hold back retries first."""

KNOWN: Final = 1000
"""Requests of a history below which nobody knows what was normal: then everything that is no harm is taken for it."""

ROOM: Final = 2.0
"""Requests in flight, in multiples of the most that a healthy service has."""

FEWEST_IN_FLIGHT: Final = 10
"""Fewer are never a limit: so many may arrive together."""

LOOKS_CROWDED: Final = 3
"""In a row, at which there were too many in flight."""


class Watch:
    """Of one service, look by look. The releases are judged, and not what users saw of a fallback."""

    def __init__(self, service: str, policy: BreakerPolicy, slos: Slos, history: Sequence[WindowReading]) -> None:
        """*history*: windows of :data:`~models.telemetry.HISTORY_WINDOW_SECONDS` from before the trouble, the oldest
        first; empty where nobody keeps them."""
        self._service = service
        self._slos = slos
        self._evidence: dict[str, _Evidence] = {}
        counts = [count for reading in history if (count := _count(reading)).requests]
        known = sum(count.requests for count in counts) >= KNOWN
        for objective in objectives(Count(requests=0, errors=0, slow=0), slos):
            self._evidence[objective.metric] = _Evidence(objective, known)
        for count in counts:
            for objective in objectives(count, slos):
                self._evidence[objective.metric].learn(objective)
        self._limit = self._limit_of(policy, history)
        self._crowded: list[int] = []

    @property
    def limit(self) -> int | None:
        """Requests in flight from which on it is saturated; none where the policy does not ask, or nobody knows."""
        return self._limit

    def look(self, window: WindowReading, in_flight: int | NoData) -> tuple[Trip, ...]:
        """Which tiers' breakers are to trip now. *window* begins where that of the look before ended. *in_flight*: at
        all releases together. A look at which the source had nothing new says nothing."""
        if isinstance(window, NoData):
            return ()
        return tuple(trip for trip in (self._by_evidence(window), self._by_saturation(in_flight)) if trip)

    def _by_evidence(self, window: Window) -> Trip | None:
        said = [
            because
            for objective in objectives(_count(window), self._slos)
            if (because := self._evidence[objective.metric].look(objective, window.seconds))
        ]
        return Trip(tier=Tier.SERVICE, because=f"{self._service}: {'; '.join(said)}") if said else None

    def _by_saturation(self, in_flight: int | NoData) -> Trip | None:
        if self._limit is None or isinstance(in_flight, NoData) or in_flight < self._limit:
            self._crowded = []
            return None
        self._crowded.append(in_flight)
        if len(self._crowded) < LOOKS_CROWDED:
            return None
        because = (
            f"{self._service}: {min(self._crowded):,} requests in flight or more at {len(self._crowded)} looks; "
            f"a healthy one has less than {self._limit:,}"
        )
        return Trip(tier=Tier.SYSTEM, because=because, max_requests=self._limit)

    def _limit_of(self, policy: BreakerPolicy, history: Sequence[WindowReading]) -> int | None:
        if policy.shed is None:
            return None
        if policy.shed.max_requests is not None:
            return policy.shed.max_requests
        busiest = max(self._healthy_rates(history), default=None)
        if busiest is None or self._slos.latency is None:
            return None
        return max(FEWEST_IN_FLIGHT, math.ceil(ROOM * busiest * self._slos.latency.threshold_ms / 1000))

    def _healthy_rates(self, history: Sequence[WindowReading]) -> Iterator[float]:
        """Requests a second. A window after some in which the source did not look has the requests of all of them."""
        since: float | None = None
        """Seconds since the source last looked; none: not known."""
        for reading in history:
            count = _count(reading)
            if isinstance(reading, NoData):
                since = None
            elif not count.requests:
                since = None if since is None else since + reading.seconds
            else:
                if since is not None and not any(
                    self._evidence[o.metric].harms(o) for o in objectives(count, self._slos)
                ):
                    yield count.requests / (since + reading.seconds)
                since = 0.0


class _Evidence:
    """On one metric of the service's objectives.

    History comes in windows of a quarter of a minute, in which a burst is one among many. So looks are gathered to as
    much before they are believed. Until then each is judged as if only good requests were still to come, at the rate of
    now: an outage need not wait.
    """

    def __init__(self, objective: Objective, known: bool) -> None:
        """*known*: whether there is a history to learn from."""
        self._harm = min(1.0, objective.budget + HARM)
        tolerated = min(0.9, max(self._harm, USUAL.tolerated if known else 0.0))
        self._judge = LearnedJudge(Learned(harm=self._harm, tolerated=tolerated))
        self._known = known
        self._bad = self._total = 0
        self._seconds = 0.0

    def harms(self, objective: Objective) -> bool:
        """Whether as many are bad as no objective allows."""
        return objective.bad >= self._harm * objective.total

    def learn(self, objective: Objective) -> None:
        self._judge.window(objective.total - objective.bad, objective.bad)

    def look(self, objective: Objective, seconds: float) -> str | None:
        """Why its breakers are to trip; none where there is no reason."""
        self._bad += objective.bad
        self._total += objective.total
        self._seconds += seconds
        whole = self._seconds >= HISTORY_WINDOW_SECONDS
        judge = self._judge if whole else deepcopy(self._judge)
        expected = self._total if whole else round(self._total * HISTORY_WINDOW_SECONDS / self._seconds)
        trips = self._total > 0 and judge.window(expected - self._bad, self._bad)
        because = self._sentence(objective) if trips and self._bad >= self._harm * self._total else None
        if whole:
            self._bad, self._total, self._seconds = 0, 0, 0.0
        return because

    def _sentence(self, objective: Objective) -> str:
        usual = max(self._judge.baseline, objective.budget)
        normal = f"up to {usual:.2%} is normal" if self._known else f"{self._harm:.0%} would be harm"
        return f"{self._bad:,} of the last {self._total:,} requests {_did(objective)}, and {normal}"


def _did(objective: Objective) -> str:
    return objective.words if objective.metric == "availability" else f"were {objective.words}"


def _count(reading: WindowReading) -> Count:
    """Of all releases."""
    arms = [count for arm, count in reading.arms.items() if arm != USERS] if isinstance(reading, Window) else []
    return Count(
        requests=sum(count.requests for count in arms),
        errors=sum(count.errors for count in arms),
        slow=sum(count.slow for count in arms),
    )
