"""From a probability to an alarm: the threshold that costs least on the validation part, within a budget.

The validation part has few days, and a threshold that was lucky on them is not believed: the budget holds for the upper
bound of the rate of false alarms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy
from scipy.special import gammaincinv  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType] -- scipy comes without types

from activities.predictor.learning.episodes import Floats
from activities.predictor.learning.metrics import EventFigures, Stretch, judge

CONFIDENCE = 0.8
LEVELS = 400
"""Thresholds that are tried, denser towards the highest scores."""


@dataclass(frozen=True)
class Costs:
    """Of the decision, all in the same unit."""

    false_alarm: float = 1.0
    missed: float = 20.0
    lead_minute: float = 0.0
    """What each minute between an alarm and its incident is worth."""
    false_alarms_a_day: float = 0.75
    """The budget of one entity."""

    def of(self, figures: EventFigures) -> float:
        """Of these alarms."""
        missed = figures.events - figures.found
        return figures.false_alarms * self.false_alarm + missed * self.missed - sum(figures.leads) * self.lead_minute


def upper_rate(count: int, days: float) -> float:
    """The rate that *count* events in *days* are still consistent with (Poisson, one-sided 80%)."""
    if days <= 0:
        return math.inf
    return cast(float, gammaincinv(count + 1, CONFIDENCE)) / days


def decide(stretches: Sequence[Stretch], scores: Sequence[Floats], costs: Costs) -> float:
    """The threshold for *scores*; infinity where even the highest score would break the budget, or nothing is gained.

    Costs that differ by no more than one missed incident cannot be told apart on a validation part. Of those thresholds
    the lowest is taken: it finds most, and what it may cost is bounded by the budget.
    """
    tried: list[tuple[float, float]] = [(math.inf, costs.of(judge(stretches, scores, math.inf)))]
    for level in _levels(scores):
        figures = judge(stretches, scores, level)
        if upper_rate(figures.false_alarms, figures.days) > costs.false_alarms_a_day:
            break
        tried.append((level, costs.of(figures)))
    least = min(cost for _, cost in tried)
    return min(level for level, cost in tried if cost <= least + costs.missed)


def _levels(scores: Sequence[Floats]) -> list[float]:
    """Highest first; not the lowest score of all, which would be an alarm without a reason."""
    joined = numpy.concatenate([numpy.zeros(0), *scores])
    descending = numpy.sort(joined[numpy.isfinite(joined)])[::-1]
    if not len(descending):
        return []
    ranks = numpy.unique(numpy.geomspace(1, len(descending), LEVELS).astype(int) - 1)
    levels = numpy.unique(descending[ranks])[::-1]
    return levels[levels > descending[-1]].tolist()
