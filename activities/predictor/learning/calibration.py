"""From a score to a probability that may be multiplied with a cost, learned on the validation part.

Logistic calibration (Platt, *Probabilistic Outputs for Support Vector Machines*, 1999) has two parameters, and is
shrunk to "believe the score". Isotonic calibration (Zadrozny & Elkan, *Transforming Classifier Scores*, 2002) follows
any shape, but on a few incidents its steps are noise: it is tried only where there are many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy

from activities.predictor.learning.episodes import Floats, Mask, Rows
from activities.predictor.learning.shrinkage import log_odds, shrunk_logistic, sigmoid

MANY_INCIDENTS = 100
STEPS = 200
"""Bins of equal count that the isotonic curve is fitted to."""
PULL = 2.0
LEAST_SLOPE = 0.05
FLOOR = 1e-5
TIE = 0.005
"""Differences of skill smaller than this are no reason for the less simple of two ways."""


@dataclass(frozen=True)
class Platt:
    """``sigmoid(slope * score + offset)``"""

    slope: float
    offset: float

    def __call__(self, score: Floats) -> Floats:
        return sigmoid(self.slope * score + self.offset)


@dataclass(frozen=True)
class Isotonic:
    """Linear between the knots, constant outside."""

    knots: tuple[float, ...]
    levels: tuple[float, ...]

    def __call__(self, score: Floats) -> Floats:
        return numpy.interp(score, self.knots, self.levels)


Calibration = Platt | Isotonic
Fit = Callable[[Floats, Mask, int], Calibration]


def platt(score: Floats, target: Mask, horizon: int) -> Platt:
    """Fitted to *score* [n] and *target* [n]."""
    weights, offset = shrunk_logistic(
        score[:, None], target, numpy.ones(1), horizon=horizon, pull=PULL, least=LEAST_SLOPE
    )
    return Platt(float(weights[0]), offset)


def isotonic(score: Floats, target: Mask, _horizon: int) -> Isotonic:
    """Fitted by pooling neighbours until their shares ascend."""
    pools: list[tuple[float, float, int]] = []  # the sum of the scores, the incidents, the rows
    order = numpy.argsort(score, kind="stable")
    for rows in numpy.array_split(order, min(STEPS, len(order))):
        scores, hits, count = float(score[rows].sum()), float(target[rows].sum()), len(rows)
        while pools and pools[-1][1] / pools[-1][2] >= hits / count:
            scores, hits, count = scores + pools[-1][0], hits + pools[-1][1], count + pools[-1][2]
            pools.pop()
        pools.append((scores, hits, count))
    knots = tuple(scores / count for scores, _, count in pools)
    return Isotonic(knots, tuple(min(max(hits / count, FLOOR), 1 - FLOOR) for _, hits, count in pools))


def cross_fitted(fit: Fit, score: Floats, target: Mask, block: Rows, horizon: int) -> Floats:
    """[n]: probabilities of each block (0 or 1) by what was fitted to the other; of the base rate if that is empty."""
    answer = numpy.full(len(score), float(target.mean()) if len(target) else 0.0)
    for half in (0, 1):
        known, asked = block != half, block == half
        if known.any():
            answer[asked] = fit(score[known], target[known], horizon)(score[asked])
    return answer


def log_skill(target: Mask, probability: Floats) -> float:
    """1 - log loss over that of the constant base rate; -inf where there is nothing to tell apart."""
    base = float(target.mean()) if len(target) else 0.0
    if not 0 < base < 1:
        return -numpy.inf
    constant = -(base * numpy.log(base) + (1 - base) * numpy.log(1 - base))
    odds = log_odds(probability, FLOOR)
    return 1 - float(numpy.mean(numpy.logaddexp(0, odds) - target * odds)) / constant


def calibrate(score: Floats, target: Mask, block: Rows, *, incidents: int, horizon: int) -> Calibration:
    """The better of both by cross-fitted log score; where incidents are few or it makes no difference, the simpler."""
    if incidents >= MANY_INCIDENTS:
        skill = {fit: log_skill(target, cross_fitted(fit, score, target, block, horizon)) for fit in (platt, isotonic)}
        if skill[isotonic] > skill[platt] + TIE:
            return isotonic(score, target, horizon)
    return platt(score, target, horizon)
