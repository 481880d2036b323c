"""How many calls may run at once: as many as keep a target busy, and few that wait there. Pure.

As in TCP Vegas, of ``limit`` calls those that wait at the target are ``limit x (1 - baseline / mean)``, where the
baseline is what calls take on average when none waits. The limit is raised while fewer wait than its square root, and
lowered while more than twice as many do. Means are compared with means, never with the shortest call: a target whose
calls are of very different length is not slow because of it.

While fewer calls run than may, what they take *is* the baseline. Under a load that lasts nothing shows it, and what
calls take would become the baseline bit by bit, and the limit grow with it. So from time to time the limit is halved
for one window: if calls are shorter then, some had waited before, and the shorter time is the baseline. It is asked
again sooner while that finds something, and ever more seldom while it does not; and at once where the limit has fallen
far below what it was then, for perhaps nothing waits, and the target has become slower.

It also says how much time is enough for a call, so that none begins whose caller will have gone when it ends.
"""

from __future__ import annotations

from math import inf, sqrt

from sternway_guard.settings import LimitSettings

FEWEST = 20
"""Calls of a window, which also lasts as long as one of them, and a second at most."""

BINDS = 0.7
"""Share of the limit that must have been reached, or what calls take says nothing about it."""

SMOOTHING = 0.3
"""Share of each window in the mean under load, in the baseline where few calls ran, and in what is enough."""

DEVIATIONS = 2.0
"""Above the mean, for nearly every call to have ended: 98% of a normal distribution, 95% of an exponential one."""

CLEARLY = 0.1
"""By which calls must be shorter, or longer, at half of the limit for that to be the baseline; shorter by the standard
error of their mean besides, because a limit that is too low costs answers, and one that is too high only time."""

FALLEN = 0.7
"""Share of the limit when it was last halved, below which it is halved at once."""

SOON, SELDOM = 3, 200
"""Windows before the limit is halved again: after a find, and at most."""


class Limit:
    """Given what each call took, says how many may run. Times are in seconds."""

    __slots__ = (
        "_before",
        "_calls",
        "_ends",
        "_halved",
        "_highest",
        "_mean",
        "_pass_over",
        "_settings",
        "_squares",
        "_sum",
        "_until_probe",
        "_wait",
        "baseline",
        "enough",
        "value",
    )

    def __init__(self, settings: LimitSettings) -> None:
        self._settings = settings
        self.value = float(settings.initial)
        self.baseline = inf
        """What a call takes on average where none waits at the target; infinite before the first window."""
        self.enough = 0.0
        """What nearly every call takes at most now, any wait at the target included; 0 before the first window."""
        self._mean: float | None = None
        self._halved = False
        self._before = 0.0
        """The limit as it was when it was last halved."""
        self._pass_over = 0
        """Calls that had begun before it was halved, or raised again."""
        self._relax()
        self._begin(-inf)

    def took(self, seconds: float, running: int, now: float) -> None:
        """An answer has come, beside so many calls that ran with it."""
        if self._pass_over > 0:
            self._pass_over -= 1
            return
        self._calls += 1
        self._sum += seconds
        self._squares += seconds * seconds
        self._highest = max(self._highest, running)
        if self._calls == 1:
            self._ends = now + min(seconds, 1.0)
        if self._calls >= FEWEST and now >= self._ends:
            mean = self._sum / self._calls
            deviation = sqrt(max(0.0, self._squares / self._calls - mean * mean))
            self._learn_enough(mean + DEVIATIONS * deviation)
            self._window(mean, deviation / sqrt(self._calls), running)
            self._begin(now)

    def overloaded(self) -> None:
        """A call has ended as one does that was too many: its time was over."""
        self.value = self._within(self.value * 0.9)

    def _begin(self, now: float) -> None:
        self._calls, self._sum, self._squares, self._highest, self._ends = 0, 0.0, 0.0, 0, now

    def _learn_enough(self, enough: float) -> None:
        self.enough = self.enough + SMOOTHING * (enough - self.enough) if self.enough else enough

    def _window(self, mean: float, error: float, running: int) -> None:
        if self._halved:
            self._decide(mean, error)
            self._pass_over = running
        elif self._highest < BINDS * self.value:
            self.baseline = mean if self.baseline == inf else self.baseline + SMOOTHING * (mean - self.baseline)
            self._mean = None
            self._relax()
        else:
            self._follow(mean)
            self._until_probe -= 1
            if self._until_probe <= 0 or self.value < FALLEN * self._before:
                self._halved, self._before, self._pass_over = True, self.value, running
                self.value = max(1.0, self.value / 2)

    def _follow(self, mean: float) -> None:
        """Under a load that uses the limit."""
        self.baseline = mean if self.baseline == inf else self.baseline
        self._mean = mean if self._mean is None else self._mean + SMOOTHING * (mean - self._mean)
        waiting, step = self.value * (1 - self.baseline / self._mean), sqrt(self.value)
        if waiting < step:
            self.value = self._within(self.value + step / 2)
        elif waiting > 2 * step:
            self.value = self._within(self.value - step / 2)

    def _decide(self, mean: float, error: float) -> None:
        """What calls take at half of the limit, with the standard error of that."""
        shorter = mean + error < (1 - CLEARLY) * self.baseline
        if shorter or mean > (1 + CLEARLY) * self.baseline:
            self.baseline = mean
        self._wait = SOON if shorter else min(2 * self._wait, SELDOM)
        self._until_probe = self._wait
        self.value, self._halved = self._before, False

    def _relax(self) -> None:
        self._wait = self._until_probe = SOON

    def _within(self, wanted: float) -> float:
        return min(max(wanted, float(self._settings.least)), float(self._settings.most))
