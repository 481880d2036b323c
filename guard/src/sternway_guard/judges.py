"""Who says that a target has become bad: from what was learned of it, or by a fixed share. Pure.

Both are given each bad call with the good ones before it, and once a second the good ones since then.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from sternway_guard.baseline import FLOOR, Baseline
from sternway_guard.evidence import Evidence
from sternway_guard.settings import Fixed, Learned

PATIENCE = 20_000
"""Calls for which suspicion that does no harm keeps the baseline as it was."""


class Judge(Protocol):
    def bad(self, good: int, bad: int) -> bool:
        """Whether the breaker has to trip, after so many good calls and then so many bad ones."""
        ...

    def tick(self, good: int, seconds: int) -> None:
        """So many seconds are over, in which so many good calls came after the last bad one."""
        ...

    def forget(self) -> None:
        """What was seen last was trouble, and the trouble is over: nothing of it is normal."""
        ...

    @property
    def baseline(self) -> float:
        """The share of bad calls that is taken for normal, above 0 and below 1."""
        ...


class LearnedJudge:
    """Trips by evidence against a baseline, which is learned only from what was not even suspected."""

    __slots__ = ("_bad", "_baseline", "_calls", "_evidence", "_peak", "_peaks", "_settings", "baseline", "threshold")

    def __init__(self, settings: Learned) -> None:
        self._settings = settings
        self._baseline = Baseline(settings.false_trips / 1e6, settings.tolerated)
        self.baseline, self.threshold = self._baseline.share, self._baseline.threshold
        self._evidence = Evidence(self.baseline)
        self._begin()

    def bad(self, good: int, bad: int) -> bool:
        self._settle(self._evidence.good(good))
        self._peak = max(self._peak, self._evidence.bad(bad))
        self._calls += good + bad
        self._bad += bad
        return self._evidence.exceeds(self.threshold, self._settings.least, self._settings.harm)

    def window(self, good: int, bad: int) -> bool:
        """The same of calls that somebody else has counted: whether there is reason to trip after them."""
        left = self._evidence.counted(good, bad)
        self._settle(left)
        self._peak = max(self._peak, left)
        self._calls += good + bad
        self._bad += bad
        if self._evidence.exceeds(self.threshold, self._settings.least, self._settings.harm):
            self._begin()  # nothing of it is normal
            return True
        self._learn(left)
        return False

    def tick(self, good: int, seconds: int) -> None:
        self._calls += good
        left = self._evidence.good(good)
        self._settle(left)
        self._learn(left)

    def _learn(self, left: float) -> None:
        """Of all since it was last done, unless it is suspect."""
        if left > FLOOR:
            if self._calls < PATIENCE or self._bad >= self._settings.harm * self._calls:
                return  # suspect: whether this was normal is seen when it is over
            self._evidence.clear()  # it has been harmless for so long that it is what is normal now
            self._peak = 0.0
        self._baseline.learn(self._calls, self._bad, self._peaks)
        self.baseline, self.threshold = self._baseline.share, self._baseline.threshold
        self._evidence.compare_with(self.baseline)
        self._calls, self._bad, self._peaks = 0, 0, []

    def forget(self) -> None:
        self._evidence.clear()
        self._begin()

    def _begin(self) -> None:
        self._calls, self._bad, self._peak = 0, 0, 0.0
        self._peaks: list[float] = []

    def _settle(self, left: float) -> None:
        """Where the evidence has gone, the excursion is over."""
        if self._peak > FLOOR and left < FLOOR / 2:
            self._peaks.append(self._peak)
            self._peak = left
        elif left <= 0:
            self._peak = 0.0


class FixedJudge:
    """Trips by the share of bad calls in a sliding window, whose sums are kept."""

    __slots__ = ("_all_bad", "_all_calls", "_bad", "_calls", "_seconds", "_settings")

    def __init__(self, settings: Fixed) -> None:
        self._settings = settings
        self.forget()

    @property
    def baseline(self) -> float:
        return min(self._settings.share / 2, 0.5)

    def bad(self, good: int, bad: int) -> bool:
        self._add(good, bad)
        enough = self._all_calls >= self._settings.least
        return enough and self._all_bad >= self._settings.share * self._all_calls

    def tick(self, good: int, seconds: int) -> None:
        self._add(good, 0)
        for _ in range(min(seconds, self._settings.seconds)):
            self._seconds.append((self._calls, self._bad))
            self._calls = self._bad = 0
            if len(self._seconds) == self._settings.seconds:
                calls, bad = self._seconds.popleft()
                self._all_calls -= calls
                self._all_bad -= bad

    def forget(self) -> None:
        self._seconds: deque[tuple[int, int]] = deque()
        self._calls = self._bad = self._all_calls = self._all_bad = 0

    def _add(self, good: int, bad: int) -> None:
        self._calls += good + bad
        self._bad += bad
        self._all_calls += good + bad
        self._all_bad += bad


def judge(trips: Learned | Fixed) -> Judge:
    return LearnedJudge(trips) if isinstance(trips, Learned) else FixedJudge(trips)
