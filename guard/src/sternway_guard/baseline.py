"""What is normal for a target: how often its calls are bad, and how far chance takes the evidence. Pure.

Both are learned from healthy calls only, and forgotten by half every :data:`HALF_LIFE` calls. A service whose failures
come in bursts has excursions of evidence that independent failures would not have. So the threshold comes from the
excursions themselves: those above :data:`FLOOR` are taken to exceed it by an exponential amount, whose mean is the
overdispersion (1 where calls are independent), and the threshold is where that tail leaves as many as the budget allows
(peaks over threshold; Pickands 1975).
"""

from __future__ import annotations

from math import log, sqrt

HALF_LIFE = 60_000
"""Calls."""

FLOOR = 4.0
"""Nats above which an excursion is a peak: independent calls get there once in some thousand."""

HIGHEST = 60.0
"""Nats that no threshold is above, so that no history can make a breaker blind."""

CALLS, SHARE = 1.0, 0.1
"""What is taken for known before any call: as after so many, of which that share was bad. It is next to nothing, so the
bound begins at what is tolerated, and only what has served well for a while is held to that."""

PEAKS, EXCESS, EVERY = 3.0, 2.0, 1000.0
"""And as after so many peaks, with that mean excess in nats, one in so many calls."""

QUANTILE = 1.645
"""Of the normal distribution at 95%: the baseline is an upper bound, so that it is rarely below the truth."""


class Baseline:
    """Learned in portions, each of them judged healthy. *budget*: false trips a call."""

    __slots__ = ("_bad", "_budget", "_calls", "_excess", "_peak_calls", "_peaks", "_tolerated")

    def __init__(self, budget: float, tolerated: float) -> None:
        """*tolerated*: the largest share of bad calls that is ever taken for normal."""
        self._budget, self._tolerated = budget, tolerated
        self._calls, self._bad = CALLS, CALLS * SHARE
        self._peaks, self._excess, self._peak_calls = PEAKS, PEAKS * EXCESS, PEAKS * EVERY

    def learn(self, calls: int, bad: int, peaks: list[float]) -> None:
        """*peaks*: the height, in nats, of each excursion above :data:`FLOOR` that ended within these calls."""
        keep = 0.5 ** (calls / HALF_LIFE)
        self._calls = self._calls * keep + calls
        self._bad = self._bad * keep + bad
        self._peak_calls = self._peak_calls * keep + calls
        self._peaks = self._peaks * keep + len(peaks)
        self._excess = self._excess * keep + sum(peaks) - FLOOR * len(peaks)

    @property
    def share(self) -> float:
        """An upper bound for the probability of a bad call."""
        share = self._bad / self._calls
        margin = QUANTILE * sqrt(self.overdispersion * share * (1 - share) / self._calls) + 1 / self._calls
        return min(share + margin, self._tolerated)

    @property
    def overdispersion(self) -> float:
        """By how much evidence overshoots what independent calls would bring; at least 1.

        A few peaks say little: they count beside as many as were taken for known.
        """
        missing = max(PEAKS - self._peaks, 0.0)
        return max((self._excess + missing * EXCESS) / (self._peaks + missing), 1.0)

    @property
    def threshold(self) -> float:
        """Nats that evidence passes by chance as often as the budget allows."""
        rate = self._peaks / self._peak_calls
        wanted = FLOOR + self.overdispersion * log(max(rate / self._budget, 1.0))
        return min(max(wanted, -log(self._budget)), HIGHEST)
