"""Evidence that one arm does worse, or better, than another: a mixture e-process on raw counts. Pure.

**The bet.** Let *s* be the target's share of a window's requests. If both arms are equally good, a bad event is the
target's with probability s. If the odds of harm are λ, it is with probability λs/(λs + 1 - s). Each bad event
multiplies E by the ratio of the two: λ/(λs + 1 - s) if it was the target's, 1/(λs + 1 - s) if it was the baseline's.
Each window brings its own share, so weights may change under way, and so may the rate of errors that both arms have.

**The mixture.** Nobody knows λ beforehand, so E is the mean over :data:`ODDS` (harm), and over their inverses
(improvement). They are evenly spaced in log λ from 1.26 to 8, because no size of harm is likelier than another; not
knowing which costs ln 9 = 2.2 of log E at most. Smaller harm is found with the least λ, only later. Larger harm is
found with the largest: a release that is eight times as bad is condemned within seconds anyhow, and with a larger λ one
burst early on convinces more easily.

**What is guaranteed.** Where the target is not worse, and its bad events are independent of each other or only
exchangeable with the baseline's within each window, E is a non-negative supermartingale that starts at 1. For given
the number of bad events, the target's part is hypergeometric or stochastically smaller; the mean of the convex λ^x is
then at most the binomial one (Hoeffding 1963, theorem 4), for which the ratio's mean is 1. By Ville's inequality E ever
reaches 1/ALPHA with a probability of at most ALPHA, however often one looks. The same holds for improvement, with the
arms exchanged.

**Bursts.** Real errors come in bursts that strike one arm, and one burst is not many events. So each log-likelihood
ratio is divided by the overdispersion φ ≥ 1. The guarantee then holds where errors come in clumps of at most φ, each
in one arm and independent of the others: a clump multiplies E by its ratio to a power of at most 1, whose mean is at
most 1 (Jensen). Dividing the logarithm of the mixture instead would not have this property. For bursts of other kinds
nothing is proved: false alarms are measured (``bench/verdict.py``), and ``docs/explanation/verdicts.md`` has the
figures and the kinds of burst that are too much for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from models.base import Frozen

ODDS = tuple(2 ** (step / 3) for step in range(1, 10))
"""Of harm. Their number and order are the format of :class:`EProcess` in heartbeats."""

_NOTHING = (0.0,) * len(ODDS)

Ratios = Annotated[
    tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Field(min_length=len(ODDS), max_length=len(ODDS))
]
"""A log-likelihood ratio for each of :data:`ODDS`, divided by the overdispersion; natural logarithms."""


class EProcess(Frozen):
    """All that was learnt of one metric so far. Small, and as JSON it comes back the same to the last bit."""

    overdispersion: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    """φ: see :mod:`activities.analytics.overdispersion`."""
    harm: Ratios = _NOTHING
    improvement: Ratios = _NOTHING
    highest_log_e_harm: float = 0.0
    """The evidence counts from when it was first reached (Ville's inequality is about the highest), so that it is the
    same for whoever looks seldom."""

    @property
    def log_e_harm(self) -> float:
        return _log_mean(self.harm)

    @property
    def log_e_improvement(self) -> float:
        return _log_mean(self.improvement)

    def after(self, bad: int, baseline_bad: int, share: float) -> EProcess:
        """With one more window: its bad events in each arm, and the target's *share* of its events.

        A share of 0 or 1 says nothing about either arm: whatever was bad could only be in the other one.
        """
        harm = self._moved(self.harm, bad, baseline_bad, share)
        improvement = self._moved(self.improvement, baseline_bad, bad, 1 - share)
        return EProcess(
            overdispersion=self.overdispersion,
            harm=harm,
            improvement=improvement,
            highest_log_e_harm=max(self.highest_log_e_harm, _log_mean(harm)),
        )

    def _moved(self, ratios: Sequence[float], worse: int, other: int, share: float) -> Ratios:
        """*worse*: the bad events of the arm that is said to be worse; *share* is its own."""
        return tuple(
            ratio
            + (worse * math.log(odds) - (worse + other) * math.log(odds * share + 1 - share)) / self.overdispersion
            for ratio, odds in zip(ratios, ODDS, strict=True)
        )


def _log_mean(ratios: Sequence[float]) -> float:
    """The logarithm of the mean of what these are the logarithms of."""
    largest = max(ratios)
    return largest + math.log(math.fsum(math.exp(ratio - largest) for ratio in ratios) / len(ratios))
