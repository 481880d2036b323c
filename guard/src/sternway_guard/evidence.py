"""Whether calls have become worse than they were: a mixture of CUSUMs over how much worse. Pure.

For each of :data:`EFFECTS`, a CUSUM adds up the log-likelihood ratio of "a call is bad with probability p1" against
"with the baseline's p0", and starts anew at zero. Their mean likelihood is an e-detector (Shin, Ramdas and Rinaldo,
*E-detectors*, 2023): where calls are independent and p0 is no less than the truth, it passes 1/a once in 1/a calls or
more seldom. So its threshold *is* the budget of false trips; what is dependent about real calls goes into the threshold
(:mod:`~sternway_guard.baseline`).

Successes are only counted: what they take away is worked out at the next bad call, and does not depend on their order.
"""

from __future__ import annotations

from math import exp, log

EFFECTS = (0.1, 0.2, 0.4, 0.8)
"""Shares of the calls that were good before and would be bad now."""

MOST = 100.0
"""Nats that no sum is above: what has gone on for hours must be over within seconds."""


class Evidence:
    """In nats, against a baseline that :meth:`compare_with` sets."""

    __slots__ = ("_bad", "_calls", "_down", "_sums", "_up")

    def __init__(self, baseline: float) -> None:
        self.clear()
        self.compare_with(baseline)

    def clear(self) -> None:
        """As if nothing had been seen."""
        self._sums = [0.0] * len(EFFECTS)
        self._bad = [0] * len(EFFECTS)
        self._calls = [0] * len(EFFECTS)

    def compare_with(self, baseline: float) -> None:
        """*baseline*: the probability of a bad call, above 0 and below 1, that what is seen next is held against."""
        worse = [baseline + (1 - baseline) * effect for effect in EFFECTS]
        self._up = [log(p / baseline) for p in worse]
        self._down = [log((1 - p) / (1 - baseline)) for p in worse]

    def good(self, calls: int) -> float:
        """After so many good calls; the evidence that is left."""
        for i, down in enumerate(self._down):
            left = self._sums[i] + calls * down
            if left > 0:
                self._sums[i] = left
                self._calls[i] += calls
            else:
                self._sums[i], self._bad[i], self._calls[i] = 0.0, 0, 0
        return max(self._sums)

    def bad(self, calls: int = 1) -> float:
        """After so many bad calls; the evidence that there is."""
        for i, up in enumerate(self._up):
            self._sums[i] = min(self._sums[i] + calls * up, MOST)
            self._bad[i] += calls
            self._calls[i] += calls
        return max(self._sums)

    def counted(self, good: int, bad: int) -> float:
        """After calls of which only the numbers are known, not the order; the evidence that there is."""
        for i, (up, down) in enumerate(zip(self._up, self._down, strict=True)):
            left = self._sums[i] + bad * up + good * down
            if left > 0:
                self._sums[i] = min(left, MOST)
                self._bad[i] += bad
                self._calls[i] += good + bad
            else:
                self._sums[i], self._bad[i], self._calls[i] = 0.0, 0, 0
        return max(self._sums)

    def exceeds(self, threshold: float, least: int, share: float) -> bool:
        """Whether it is more than *threshold* nats, of *least* bad calls or more that are a *share* of all or more.

        Each sum has a beginning of its own: that of an outage is not hidden by one that has gone on mildly for long.
        """
        counted = [
            one
            for one, bad, calls in zip(self._sums, self._bad, self._calls, strict=True)
            if bad >= least and bad >= share * calls
        ]
        highest = max(counted, default=0.0)
        if highest <= threshold:
            return False
        return highest + log(sum(exp(one - highest) for one in counted) / len(EFFECTS)) > threshold
