"""How many calls may run at once: as many as do not make each other wait. Pure.

A gradient limit as in Netflix' concurrency-limits (Gradient2): the limit follows the ratio of what calls take without a
queue to what they take now, with some room to grow. Theirs learns the first from a long average, so that an overload
that lasts becomes the new normal. Here what calls take without a queue falls at once, rises slowly, and never above
:data:`CAP` times the shortest of the last :data:`MEMORY` seconds.
"""

from __future__ import annotations

from collections import deque
from math import inf, sqrt

from sternway_guard.settings import LimitSettings

CAP = 2.0
MEMORY = 600.0

RISES_IN = 60.0
"""Seconds in which half of the way up is gone, towards what calls take now."""

TOLERANCE = 1.5
"""How much longer than without a queue calls may take before the limit is lowered."""

SMOOTHING = 0.2
"""Share of each new limit in the one that holds."""

FEWEST, LONGEST = 10, 1.0
"""A window ends with so many calls, and not before so many times what one of them takes."""


class Limit:
    """Given what each call took, says how many may run. Times are in seconds."""

    __slots__ = (
        "_best",
        "_calls",
        "_ends",
        "_highest",
        "_settings",
        "_shortest",
        "_sum",
        "_updated",
        "baseline",
        "value",
    )

    def __init__(self, settings: LimitSettings) -> None:
        self._settings = settings
        self.value = float(settings.initial)
        self.baseline = inf
        """What a call takes without a queue; infinite before the first one."""
        self._best: deque[tuple[float, float]] = deque()
        """When the shortest calls in memory were, and what they took: each is longer than the one before it."""
        self._ends = self._updated = -inf
        self._begin(-inf)

    def _begin(self, now: float) -> None:
        self._calls, self._sum, self._shortest, self._highest = 0, 0.0, inf, 0
        self._ends = now + LONGEST * min(self.baseline, 1.0)

    def took(self, seconds: float, running: int, now: float) -> None:
        """A good call has ended, beside so many that ran with it."""
        self._calls += 1
        self._sum += seconds
        self._shortest = min(self._shortest, seconds)
        self._highest = max(self._highest, running)
        if self._calls >= FEWEST and now >= self._ends:
            self._update(now)

    def overloaded(self, now: float) -> None:
        """A call has ended as one does that was too many: it was turned away, or its time was over."""
        self.value = max(self.value * 0.9, float(self._settings.least))
        self._begin(now)

    def _update(self, now: float) -> None:
        mean = self._sum / self._calls
        self._learn(self._shortest, now)
        # Where fewer calls run than may, what they take says nothing about the limit.
        if self._highest * 2 >= self.value:
            gradient = min(1.0, max(0.5, TOLERANCE * self.baseline / mean))
            wanted = self.value * gradient + sqrt(self.value)
            self.value += SMOOTHING * (wanted - self.value)
            self.value = min(max(self.value, float(self._settings.least)), float(self._settings.most))
        self._begin(now)

    def _learn(self, shortest: float, now: float) -> None:
        while self._best and self._best[0][0] < now - MEMORY:
            self._best.popleft()
        while self._best and self._best[-1][1] >= shortest:
            self._best.pop()
        if not self._best or now - self._best[-1][0] >= MEMORY / 60:
            self._best.append((now, shortest))
        if shortest < self.baseline:
            self.baseline = shortest
        else:
            rise = 1 - 0.5 ** (max(0.0, now - self._updated) / RISES_IN)
            self.baseline += rise * (shortest - self.baseline)
        self.baseline = min(self.baseline, CAP * self._best[0][1])
        self._updated = now
