"""What is normal for a target: how often its calls are bad, and how far chance takes the evidence. Pure.

Both are learned from healthy calls only, and forgotten by half every :data:`HALF_LIFE` calls. A service whose failures
come in bursts has excursions of evidence that independent failures would not have. So the threshold comes from the
excursions themselves: what those above :data:`FLOOR` exceed it by is taken to have an exponential tail, and the
threshold is where that leaves as many as the budget allows (peaks over threshold; Pickands 1975).

Most excursions are single failures, and the tail is made by bursts, which are rare. A mean would see only the former.
So the scale of the tail, the overdispersion, is the mean square over twice the mean: in an exponential tail that is the
mean as well, and in a mixture it is that of the large ones. It is 1 where calls are independent.
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

PEAKS, SCALE, EVERY = 3.0, 2.0, 1000.0
"""And as after so many peaks, with a tail of that scale in nats, one in so many calls."""

QUANTILE = 1.645
"""Of the normal distribution at 95%: the baseline is an upper bound, so that it is rarely below the truth."""


class Baseline:
    """Learned in portions, each of them judged healthy. *budget*: false trips a call."""

    __slots__ = ("_bad", "_budget", "_calls", "_excess", "_peak_calls", "_peaks", "_squares", "_tolerated")

    def __init__(self, budget: float, tolerated: float) -> None:
        """*tolerated*: the largest share of bad calls that is ever taken for normal."""
        self._budget, self._tolerated = budget, tolerated
        self._calls, self._bad = CALLS, CALLS * SHARE
        self._peak_calls = PEAKS * EVERY
        self._peaks, self._excess, self._squares = PEAKS, PEAKS * SCALE, PEAKS * 2 * SCALE**2

    def learn(self, calls: int, bad: int, peaks: list[float]) -> None:
        """*peaks*: the height, in nats, of each excursion above :data:`FLOOR` that ended within these calls."""
        keep = 0.5 ** (calls / HALF_LIFE)
        self._calls = self._calls * keep + calls
        self._bad = self._bad * keep + bad
        self._peak_calls = self._peak_calls * keep + calls
        self._peaks = self._peaks * keep + len(peaks)
        excesses = [peak - FLOOR for peak in peaks]
        self._excess = self._excess * keep + sum(excesses)
        self._squares = self._squares * keep + sum(excess**2 for excess in excesses)

    @property
    def share(self) -> float:
        """An upper bound for the probability of a bad call."""
        share = self._bad / self._calls
        margin = QUANTILE * sqrt(self.overdispersion * share * (1 - share) / self._calls) + 1 / self._calls
        return min(share + margin, self._tolerated)

    @property
    def overdispersion(self) -> float:
        """The scale of the tail in nats, at least 1. A few peaks say little, and count beside those taken for known."""
        missing = max(PEAKS - self._peaks, 0.0)
        squares, excess = self._squares + missing * 2 * SCALE**2, self._excess + missing * SCALE
        return max(squares / (2 * excess), 1.0)

    @property
    def threshold(self) -> float:
        """Nats that evidence passes by chance as often as the budget allows."""
        scale = self.overdispersion
        rate = self._excess / scale / self._peak_calls
        wanted = FLOOR + scale * log(max(rate / self._budget, 1.0))
        return min(max(wanted, -log(self._budget)), HIGHEST)
