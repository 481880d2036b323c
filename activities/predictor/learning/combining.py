"""Many members, one score: weighted averaging, voting or stacking.

All three are learned on predictions for rows that the members had not seen, in the order of time. Which one is used is
chosen on the validation part, by the log score after cross-fitted calibration; where they tie, the simpler.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy

from activities.predictor.learning.calibration import TIE, cross_fitted, log_skill, platt
from activities.predictor.learning.episodes import Floats, Mask, Rows
from activities.predictor.learning.metrics import best_balanced_threshold
from activities.predictor.learning.shrinkage import log_odds, shrunk_logistic, sigmoid

PULL = 20.0
"""To equal weights: what some tens of incidents can move, and a few cannot."""


class Way(StrEnum):
    """From the simplest on."""

    AVERAGING = "weighted averaging"
    VOTING = "voting"
    STACKING = "stacking"


@dataclass(frozen=True)
class Combiner:
    """Takes the log odds of the members [n, K] to one score [n], which is on the scale of log odds too."""

    way: Way
    weights: tuple[float, ...]
    """By member."""
    intercept: float = 0.0
    thresholds: tuple[float, ...] = ()
    """From which log odds on each member votes; of voting only."""

    def __call__(self, odds: Floats) -> Floats:
        if self.way is not Way.VOTING:
            return odds @ numpy.array(self.weights) + self.intercept
        votes = (odds >= numpy.array(self.thresholds)).astype(numpy.float64)
        return log_odds(votes @ numpy.array(self.weights), 1 / (2 * len(self.weights)))


def learn(odds: Floats, target: Mask, horizon: int) -> tuple[Combiner, ...]:
    """One combiner of each way from out-of-fold *odds* [n, K]; with nothing to learn from, all members count alike."""
    members = odds.shape[1]
    equal = numpy.full(members, 1 / members)
    if not 0 < int(target.sum()) < len(target):
        return (Combiner(Way.AVERAGING, tuple(equal.tolist())),)
    skill = numpy.maximum([log_skill(target, sigmoid(odds[:, column])) for column in range(members)], 0)
    merit = skill / skill.sum() if skill.sum() > 0 else equal
    thresholds = tuple(best_balanced_threshold(target, odds[:, column]) for column in range(members))
    weights, intercept = shrunk_logistic(odds, target, equal, horizon=horizon, pull=PULL, least=0.0)
    return (
        Combiner(Way.AVERAGING, tuple(merit.tolist())),
        Combiner(Way.VOTING, tuple(merit.tolist()), thresholds=thresholds),
        Combiner(Way.STACKING, tuple(weights.tolist()), intercept),
    )


def choose(
    candidates: tuple[Combiner, ...], odds: Floats, target: Mask, block: Rows, horizon: int
) -> tuple[Combiner, dict[Way, float]]:
    """The best on the validation part, and the skill of each."""
    skills = {one.way: log_skill(target, cross_fitted(platt, one(odds), target, block, horizon)) for one in candidates}
    chosen = candidates[0]
    for one in candidates[1:]:
        if skills[one.way] > skills[chosen.way] + TIE:
            chosen = one
    return chosen, skills
