"""The alerts that wait for their incident: a lane for each correlation, and a lane is worked on by one at a time.

So alerts of one trouble reach their incident in the order of their arrival, and a lane that is stuck stops no other.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from activities.analytics.store.deliveries import StoredAlert
from models.alert import BY_URGENCY, AlertStatus, Severity

Order = tuple[int, int]
"""Urgency, then the alert's row: smaller is sooner."""

LAST: Order = (len(BY_URGENCY), 0)
"""After every alert's."""


@dataclass
class Lane:
    """One correlation's alerts, by row."""

    key: str
    alerts: dict[int, StoredAlert] = field(default_factory=dict[int, StoredAlert])
    order: Order = LAST
    """Of its most urgent alert, and of these the oldest one."""
    suspect: bool = False
    """Some of these may have reached an incident already: a gateway ended, or a call, before it could say so."""
    attempts: int = 0

    @property
    def urgency(self) -> Severity:
        return BY_URGENCY[self.order[0]]

    @property
    def in_order(self) -> list[StoredAlert]:
        return [self.alerts[row] for row in sorted(self.alerts)]


class Lanes:
    def __init__(self) -> None:
        self._waiting: dict[str, Lane] = {}
        self._busy: dict[str, Lane] = {}
        self._order: list[tuple[Order, str]] = []
        """A heap. What is not (any more) the order of a waiting lane is passed over."""
        self._rows: set[int] = set()

    def __len__(self) -> int:
        """Alerts that wait or are being handed over."""
        return len(self._rows)

    def __contains__(self, row: int) -> bool:
        return row in self._rows

    def add(self, key: str, alert: StoredAlert, *, suspect: bool) -> None:
        lane = self._waiting.get(key) or self._waiting.setdefault(key, Lane(key))
        lane.alerts[alert.id] = alert
        lane.suspect = lane.suspect or suspect
        self._rows.add(alert.id)
        if (order := _order(alert)) < lane.order:
            lane.order = order
            self._queue(key)

    def take(self, admits: Callable[[Severity], bool] = lambda _: True) -> Lane | None:
        """The most urgent lane that nobody works on, with all that waits in it; none where its urgency is not one that
        *admits*. Finish it by one of the two below."""
        while self._order:
            order, key = self._order[0]
            lane = self._waiting.get(key)
            current = lane and lane.order == order and key not in self._busy
            if lane and current and not admits(lane.urgency):
                return None
            heapq.heappop(self._order)
            if current:
                self._busy[key] = self._waiting.pop(key)
                return self._busy[key]
        return None

    def done(self, lane: Lane) -> None:
        """What the lane still holds is forgotten; what came in the meantime is next."""
        del self._busy[lane.key]
        self._rows.difference_update(lane.alerts)
        self._queue(lane.key)

    def put_back(self, lane: Lane) -> None:
        """Nobody knows what became of the lane's alerts: they wait again, in front of those that came since."""
        del self._busy[lane.key]
        since = self._waiting.get(lane.key, Lane(lane.key))
        self._waiting[lane.key] = Lane(
            lane.key,
            {**lane.alerts, **since.alerts},
            min(lane.order, since.order),
            suspect=True,
            attempts=lane.attempts + 1,
        )
        self._queue(lane.key)

    def _queue(self, key: str) -> None:
        if key in self._waiting and key not in self._busy:
            heapq.heappush(self._order, (self._waiting[key].order, key))


def _order(alert: StoredAlert) -> Order:
    return BY_URGENCY.index(alert.alert.severity), alert.id


def first_firing(alerts: list[StoredAlert]) -> int | None:
    """Position of the first alert that can begin an incident."""
    return next((i for i, stored in enumerate(alerts) if stored.alert.status is AlertStatus.FIRING), None)
