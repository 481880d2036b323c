"""When to say nothing. A forecast that is no better than the clock or than luck must not look like one.

Everything is decided on the validation part, with probabilities that were calibrated on other rows than they are judged
on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from activities.predictor.learning.episodes import Episodes, Floats, Mask, Part, Rows
from activities.predictor.learning.metrics import Stretch, pr_auc, shifts

CHANCE_SHIFTS = 100
CHANCE_SHARE = 0.95
"""Of the forecasts that only luck makes, so many must be worse."""


@dataclass(frozen=True)
class Luck:
    """A forecast beside what only luck makes of it, in one period."""

    pr_auc: float
    chance_pr_auc: float
    """That 95% of the circularly shifted scores do not reach."""


@dataclass(frozen=True)
class Evidence:
    """What is to be said for a forecast, and against."""

    brier_skill: float
    """On the validation part."""
    persistence_pr_auc: float
    """Of seasonal persistence there, in its best form."""
    validation: Luck
    out_of_fold: Luck
    """In the train part, before. What few incidents show in one period alone is often luck."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why to abstain, in words; empty where the forecast has shown skill."""
        found: list[str] = []
        if not self.brier_skill > 0:
            found.append(f"its Brier skill on the validation part, {self.brier_skill:+.3f}, is not above zero")
        if not self.validation.pr_auc > self.persistence_pr_auc:
            found.append(
                f"its PR-AUC on the validation part, {self.validation.pr_auc:.3f}, is not above the"
                f" {self.persistence_pr_auc:.3f} of seasonal persistence"
            )
        for name, luck in (("on the validation part", self.validation), ("out of fold", self.out_of_fold)):
            if math.isnan(luck.pr_auc):
                found.append(f"no incident shows its skill {name}")
            elif not luck.pr_auc > luck.chance_pr_auc:
                found.append(
                    f"its PR-AUC {name}, {luck.pr_auc:.3f}, is not above the {luck.chance_pr_auc:.3f} that shifted"
                    " scores reach by luck"
                )
        return tuple(found)


def luck(stretches: Sequence[Stretch], scores: Sequence[Floats]) -> Luck:
    """Of *scores*, by stretch."""
    if not any(stretch.target.any() for stretch in stretches):
        return Luck(math.nan, math.nan)
    target = numpy.concatenate([stretch.target for stretch in stretches])
    shifted = [pr_auc(target, numpy.concatenate(moved)) for moved in shifts(scores, CHANCE_SHIFTS)]
    return Luck(pr_auc(target, numpy.concatenate(scores)), float(numpy.quantile(shifted, CHANCE_SHARE)))


def without_history(episodes: Sequence[Episodes]) -> dict[str, str]:
    """Entities that cannot be judged, with the reason. Units that run to failure are judged by other units."""
    reasons: dict[str, str] = {}
    for one in episodes:
        known = (one.part == Part.TRAIN) | (one.part == Part.VALIDATION)
        if one.series.part is None and not (one.target & one.eligible & known).any():
            reasons[one.series.entity] = "no incident started in its train and validation parts"
    return reasons


def row_losses(target: Mask, probability: Floats) -> Floats:
    """[n]: the log loss of each row."""
    return -numpy.log(numpy.where(target, probability, 1 - probability))


def better_by_persistence(entity: Sequence[Rows], losses: Sequence[Sequence[Floats]], entities: int) -> Mask:
    """[entities]: those that seasonal persistence explains better in ALL periods.

    *entity* and *losses* (of the forecast, of persistence) are by row, for each period. One period alone proved to be
    noise: two or three incidents an entity.
    """
    worse = numpy.ones(entities, dtype=bool)
    for numbers, (forecast, persistence) in zip(entity, losses, strict=True):
        worse &= numpy.bincount(numbers, forecast, entities) > numpy.bincount(numbers, persistence, entities)
    return worse
