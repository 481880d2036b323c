"""Logistic weights where there is little to learn them from.

The rows before one incident are no independent observations. So the likelihood is divided by the horizon, as if each
incident were seen once, and the weights are pulled to a centre: with few incidents they stay there.
"""

from __future__ import annotations

import numpy

from activities.predictor.learning.episodes import Floats, Mask

INTERCEPT_PENALTY = 0.2
STEPS = 60


def log_odds(probability: Floats, floor: float = 1e-5) -> Floats:
    """Logit of probabilities that are kept away from 0 and 1 by *floor*."""
    kept = numpy.clip(probability, floor, 1 - floor)
    return numpy.log(kept / (1 - kept))


def sigmoid(score: Floats) -> Floats:
    """The inverse of ``log_odds``."""
    return 1 / (1 + numpy.exp(-numpy.clip(score, -30, 30)))


def shrunk_logistic(
    scores: Floats, target: Mask, centre: Floats, *, horizon: int, pull: float, least: float
) -> tuple[Floats, float]:
    """Weights (none below *least*) and intercept of a logistic regression of *target* [n] on *scores* [n, K].

    Minimises ``sum(log loss) / horizon + pull |weights - centre|^2 + .2 intercept^2`` by Newton steps on the weights
    that are free, projected on the bound (Bertsekas, *Projected Newton Methods*, 1982).
    """
    inputs = numpy.column_stack([scores, numpy.ones(len(scores))])
    strength = numpy.append(numpy.full(len(centre), pull), INTERCEPT_PENALTY)
    middle, lowest = numpy.append(centre, 0.0), numpy.append(numpy.full(len(centre), least), -numpy.inf)

    def loss(at: Floats) -> float:
        value = inputs @ at
        fit = float(numpy.sum(numpy.logaddexp(0, value) - target * value)) / horizon
        return fit + float(strength @ (at - middle) ** 2)

    at = numpy.maximum(middle, lowest)
    now = loss(at)
    for _ in range(STEPS):
        expected = sigmoid(inputs @ at)
        slope = inputs.T @ (expected - target) / horizon + 2 * strength * (at - middle)
        free = (at > lowest) | (slope < 0)
        bend = (inputs * (expected * (1 - expected))[:, None]).T @ inputs / horizon + numpy.diag(2 * strength)
        step = numpy.zeros_like(at)
        step[free] = numpy.linalg.solve(bend[numpy.ix_(free, free)], slope[free])
        size, after, then = 1.0, at, now
        while size > 1e-4:
            after = numpy.maximum(at - size * step, lowest)
            then = loss(after)
            if then < now:
                break
            size /= 2
        if now - then < 1e-9 * max(abs(now), 1):
            break
        at, now = after, then
    return at[:-1], float(at[-1])
