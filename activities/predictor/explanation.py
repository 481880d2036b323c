"""Why a prediction is as high as it is: what each feature and each metric adds, in words and numbers.

Contributions are found by asking the model again with some features as they usually are. That needs nothing of the
model but its scores, so it explains the whole ensemble as it is served, and not one member of it. A feature is looked
at over all metrics together (are all levels high?) and a metric over all features (is it the CPU?), because single
columns share what they know with their like, and each alone would seem to matter little.

What features add is measured twice, by taking them from the row and by giving them to the usual row, and the two are
averaged. That is their Shapley value (Lundberg & Lee, *A unified approach to interpreting model predictions*, 2017,
against one reference row) exactly as long as no more than two of them work together, so exactly for additive scores;
beyond that it is an approximation, and what it leaves is told as the rest.

One batch of about twice as many rows as there are columns is scored, some milliseconds: only when an alarm fires.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from activities.predictor.features.registry import Column
from models.base import SternwayError

Score = Callable[[NDArray[numpy.float32]], NDArray[numpy.float64]]
"""Log-odds of rows: [n, F] -> [n]. An ensemble's, before or after calibration."""
STRONGEST = 5


class ExplanationRefused(SternwayError):
    """The row, the usual row and the columns do not belong together, or the score is not a number."""


@dataclass(frozen=True)
class Contribution:
    """What one feature, or one metric or detector, adds to a prediction."""

    name: str
    """Of the feature, or of the metric or detector."""
    feature: str
    """Of the one column that adds the most of it; so the rest."""
    subject: str
    """The metric or detector; empty where the feature is of the entity."""
    category: str
    unit: str
    value: float
    usual: float
    log_odds: float
    """Added to the prediction by all its columns together; below 0 it speaks against an incident."""

    @property
    def sentence(self) -> str:
        feature = self.feature.replace("_", " ")
        if not self.subject:
            what = feature
        elif self.name == self.subject:
            what = f"{self.name}, most of all its {feature},"
        else:
            what = f"{feature}, most of all of {self.subject},"
        verb = "has risen" if self.value > self.usual else "has fallen"
        unit = "" if self.unit in {"1", "0 or 1", "share"} else f" {self.unit}"
        shape = ".1%" if self.unit == "share" else ".3g"
        return (
            f"{what} {verb} to {self.value:{shape}}{unit} from a usual {self.usual:{shape}}: "
            f"{self.log_odds:+.1f} of the log-odds"
        )


@dataclass(frozen=True)
class Explanation:
    """Of one prediction against the usual row."""

    log_odds: float
    usual_log_odds: float
    features: tuple[Contribution, ...]
    """The strongest, over all metrics together."""
    subjects: tuple[Contribution, ...]
    """The strongest metrics and detectors, over all features together: the same difference from another
    side, not to be added to the features."""

    @property
    def rest(self) -> float:
        """What is told by no feature here: weaker ones, and what only many together do."""
        told = sum(contribution.log_odds for contribution in self.features)
        return self.log_odds - self.usual_log_odds - told


def explain(
    row: NDArray[numpy.float32],
    usual: NDArray[numpy.float32],
    columns: Sequence[Column],
    score: Score,
    strongest: int = STRONGEST,
) -> Explanation:
    """Why *row* is scored as it is. *row*, *usual*: [F], the latter the medians of the reference rows; *columns*: what
    each is, in their order. Raises :class:`ExplanationRefused`."""
    if not (row.shape == usual.shape == (len(columns),)):
        raise ExplanationRefused(
            f"a row of {row.shape}, usual values of {usual.shape} and {len(columns)} columns do not belong together; "
            "take all three from the same model"
        )
    moved = row != usual
    features = _groups([column.definition.name for column in columns], moved)
    subjects = _groups([column.subject for column in columns], moved)
    subjects.pop("", None)
    singles = numpy.eye(len(columns), dtype=numpy.bool_)
    added, row_score, usual_score = _added(
        row, usual, numpy.vstack([*features.values(), *subjects.values(), singles]), score
    )
    by_column = numpy.where(moved, numpy.abs(added[-len(columns) :]), -1.0)

    def told(groups: dict[str, NDArray[numpy.bool_]], found: NDArray[numpy.float64]) -> tuple[Contribution, ...]:
        contributions: list[Contribution] = []
        for (name, members), log_odds in zip(groups.items(), found.tolist(), strict=True):
            most = int(numpy.where(members, by_column, -2.0).argmax())
            contributions.append(_contribution(name, columns[most], float(row[most]), float(usual[most]), log_odds))
        return tuple(sorted(contributions, key=lambda one: -abs(one.log_odds))[:strongest])

    return Explanation(
        row_score,
        usual_score,
        told(features, added[: len(features)]),
        told(subjects, added[len(features) : len(features) + len(subjects)]),
    )


def _contribution(name: str, column: Column, value: float, usual: float, log_odds: float) -> Contribution:
    about = column.definition
    return Contribution(name, about.name, column.subject, about.category, about.unit, value, usual, log_odds)


def _groups(names: Sequence[str], moved: NDArray[numpy.bool_]) -> dict[str, NDArray[numpy.bool_]]:
    """Which columns have each name: [F] each. Those of which nothing has moved are left out: they add nothing."""
    listed = numpy.array(names)
    found = {name: listed == name for name in dict.fromkeys(names)}
    return {name: members for name, members in found.items() if (members & moved).any()}


def _added(
    row: NDArray[numpy.float32], usual: NDArray[numpy.float32], taken: NDArray[numpy.bool_], score: Score
) -> tuple[NDArray[numpy.float64], float, float]:
    """What each group of columns adds, of *taken* [groups, F]; and the scores of the row and of the usual row."""
    without, alone = numpy.where(taken, usual, row), numpy.where(taken, row, usual)
    rows = numpy.vstack([without, alone, row, usual])
    scores = score(rows)
    if scores.shape != (len(rows),) or not numpy.isfinite(scores).all():
        raise ExplanationRefused(
            f"the scores of {len(rows)} rows are of {scores.shape}, or not all finite; the model must give log-odds"
        )
    count, of_row, of_usual = len(taken), float(scores[-2]), float(scores[-1])
    return ((of_row - scores[:count]) + (scores[count : 2 * count] - of_usual)) / 2, of_row, of_usual
