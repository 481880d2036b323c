"""Learns to say of a group's entities how likely a new incident starts within the horizon, and when to say nothing.

Members learn on the train part. Combiners learn on predictions that members made, in the order of time, for rows of the
train part that they had not seen. The choice among combiners, the calibration, the threshold and the abstention come
from the validation part. Nothing learns from the test part.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy
from numpy.typing import NDArray

from activities.predictor.layout import Layout
from activities.predictor.learning.abstaining import (
    Evidence,
    Luck,
    better_by_persistence,
    luck,
    row_losses,
    without_history,
)
from activities.predictor.learning.calibration import (
    Calibration,
    Isotonic,
    Platt,
    calibrate,
    cross_fitted,
    isotonic,
    platt,
)
from activities.predictor.learning.combining import Combiner, Way, choose, learn
from activities.predictor.learning.deciding import Costs, decide
from activities.predictor.learning.ensemble import PLAIN_PERSISTENCE, definitions
from activities.predictor.learning.episodes import Episodes, Floats, Group, Mask, Part, Split
from activities.predictor.learning.members import FittedMember, Matrix, fit
from activities.predictor.learning.metrics import brier_skill, pr_auc
from activities.predictor.learning.references import References, learn_references
from activities.predictor.learning.shrinkage import log_odds
from activities.predictor.learning.table import Progress, Table, tabulate
from activities.predictor.serving.bundle import SHARES

FOLDS = (1 / 3, 5 / 9, 7 / 9)
"""Shares of the train part at which stretches of out-of-fold predictions begin."""


@dataclass(frozen=True)
class Forecast:
    """How a probability is made: members, one score of them, its calibration."""

    members: tuple[FittedMember, ...]
    """The first is seasonal persistence."""
    combiner: Combiner
    calibration: Calibration
    persistence: Platt
    """Calibration of the first member, for entities that it answers alone."""
    fallen_back: frozenset[str]
    """Entities that seasonal persistence answers, because it explains their outcomes better."""
    skills: dict[Way, float]
    """Of the combiners on the validation part (log score, cross-fitted)."""

    def odds(self, features: Matrix) -> Floats:
        """[n, F] -> [n, members]: log odds."""
        return numpy.column_stack([log_odds(member.probability(features)) for member in self.members])

    def probability(self, odds: Floats, fallen_back: Mask) -> Floats:
        """From log odds of the members [n, K] and whether the row's entity has fallen back [n]."""
        return numpy.where(fallen_back, self.persistence(odds[:, 0]), self.calibration(self.combiner(odds)))


@dataclass(frozen=True)
class Trained:
    """What was learned of a group."""

    layout: Layout
    features: tuple[str, ...]
    entities: tuple[str, ...]
    references: References
    """By entity, in the order of *entities*."""
    forecast: Forecast | None
    """None where there was no incident to learn from."""
    threshold: float
    """Probability from which on an alarm is raised; infinity where none is worth it."""
    abstains: tuple[str, ...]
    """Why the group says nothing; empty where it speaks."""
    silent: dict[str, str]
    """Entities that say nothing although their group speaks, with the reason."""
    evidence: Evidence | None
    levels: NDArray[numpy.float32]
    """[:data:`~activities.predictor.serving.bundle.SHARES`, F]: what the features are like in the train part, at even
    shares of its rows from the lowest to the highest. Explanations and drift are held against it."""
    digest: str
    """SHA-256 of what was learned from."""
    costs: Costs


def train(group: Group, costs: Costs, split: Split, progress: Progress) -> Trained:
    """Raises ``ReferenceRefused`` or ``LayoutRefused`` for rows that cannot be measured."""
    episodes = tuple(Episodes(one, group.layout, split) for one in group.series)
    references = learn_references([one.reference for one in episodes])
    table = tabulate(episodes, group.series, references, progress)
    return learn_from(table, references, costs, progress)


def learn_from(table: Table, references: References, costs: Costs, progress: Progress) -> Trained:
    """As ``train``, from a table that is there already."""
    silent = without_history(table.episodes)
    forecast, found, threshold = None, None, math.inf
    reasons = tuple(
        f"no incident started in the {part.name.lower()} part of any of its entities"
        for part in (Part.TRAIN, Part.VALIDATION)
        if not table.target[table.part == part].any()
    )
    if not reasons:
        learned = _Learned.of(table, progress)
        forecast = learned.forecast()
        found = learned.evidence(forecast.calibration)
        reasons = found.reasons
    if forecast is not None and not reasons:
        stretches, indices = table.stretches(table.part == Part.VALIDATION)
        probability = answers(table, forecast, silent)
        threshold = decide(stretches, [probability[index] for index in indices], costs)
    return Trained(
        table.layout,
        tuple(column.name for column in table.columns),
        tuple(one.series.entity for one in table.episodes),
        references,
        forecast,
        threshold,
        reasons,
        silent,
        found,
        levels(table.features[table.part == Part.TRAIN]),
        digest(table.episodes),
        costs,
    )


def levels(features: Matrix) -> NDArray[numpy.float32]:
    """[n, F] -> [SHARES, F]; zeros where there are no rows."""
    if not len(features):
        return numpy.zeros((SHARES, features.shape[1]), dtype=numpy.float32)
    return numpy.quantile(features, numpy.linspace(0, 1, SHARES), axis=0).astype(numpy.float32)


def answers(table: Table, forecast: Forecast, silent: Collection[str]) -> Floats:
    """Probability of each row after the train part; -inf before, and where the entity is silent."""
    asked = table.part >= Part.VALIDATION
    quiet, fallen = (table.of_entities(names) for names in (silent, forecast.fallen_back))
    probability = numpy.full(len(table.target), -numpy.inf)
    probability[asked] = forecast.probability(forecast.odds(table.features[asked]), fallen[asked])
    probability[quiet] = -numpy.inf
    return probability


@dataclass(frozen=True)
class _Learned:
    """Members of a table, what they say of rows that they have not seen, and the combiner that was chosen by that."""

    table: Table
    members: tuple[FittedMember, ...]
    odds: Floats
    """[n, K]: log odds by the members out of fold and on the validation part; NaN elsewhere."""
    combiner: Combiner
    skills: dict[Way, float]

    @staticmethod
    def of(table: Table, progress: Progress) -> _Learned:
        """Learn members, and from their out-of-fold odds the combiner."""
        members, odds = _members(table, progress)
        check, horizon = table.part == Part.VALIDATION, table.layout.horizon
        fold = _fold(table, odds)
        candidates = learn(odds[fold], table.target[fold], horizon)
        combiner, skills = choose(candidates, odds[check], table.target[check], table.blocks(check), horizon)
        return _Learned(table, members, odds, combiner, skills)

    def forecast(self) -> Forecast:
        """The whole way from features to probabilities."""
        table, check = self.table, self.table.part == Part.VALIDATION
        calibration = calibrate(
            self.combiner(self.odds[check]),
            table.target[check],
            table.blocks(check),
            incidents=sum(len(stretch.starts) for stretch in table.stretches(check)[0]),
            horizon=table.layout.horizon,
        )
        persistence = platt(self.odds[check, 0], table.target[check], table.layout.horizon)
        return Forecast(self.members, self.combiner, calibration, persistence, self._fallen_back(), self.skills)

    def evidence(self, served: Calibration) -> Evidence:
        """For and against speaking. The probabilities are calibrated as what is *served*, but on other rows than they
        are judged on."""
        table, check = self.table, self.table.part == Part.VALIDATION
        target, score = table.target[check], self.combiner(self.odds)
        fit = isotonic if isinstance(served, Isotonic) else platt
        probability = cross_fitted(fit, score[check], target, table.blocks(check), table.layout.horizon)
        # The clock as a member and in its plain form, the share of earlier days: both have to be beaten.
        clocks = (self.odds[:, 0], table.feature(PLAIN_PERSISTENCE))
        calibrated = numpy.full(len(score), numpy.nan)
        calibrated[check] = probability
        return Evidence(
            brier_skill(target, probability),
            max(pr_auc(target, clock[check]) for clock in clocks if clock is not None),
            self._luck(check, calibrated),
            self._luck(_fold(table, self.odds), score),
        )

    def _luck(self, rows: Mask, score: Floats) -> Luck:
        stretches, indices = self.table.stretches(rows)
        return luck(stretches, [score[index] for index in indices])

    def _fallen_back(self) -> frozenset[str]:
        table, score = self.table, self.combiner(self.odds)
        periods = (_fold(table, self.odds), table.part == Part.VALIDATION)
        losses = [
            [
                row_losses(target, platt(one[period], target, table.layout.horizon)(one[period]))
                for one in (score, self.odds[:, 0])
            ]
            for period in periods
            for target in (table.target[period],)
        ]
        worse = better_by_persistence([table.entity[period] for period in periods], losses, len(table.episodes))
        return frozenset(one.series.entity for one, bad in zip(table.episodes, worse, strict=True) if bad)


def _members(table: Table, progress: Progress) -> tuple[tuple[FittedMember, ...], Floats]:
    """Fitted to the train part; and log odds [n, K] of rows that these, or earlier ones like them, had not seen."""
    wanted, share = definitions(table.columns), table.episodes[0].split.train
    fitted, check = table.part == Part.TRAIN, table.part == Part.VALIDATION
    odds = numpy.full((len(table.target), len(wanted)), numpy.nan)
    for low, high in pairwise((*FOLDS, 1.0)):
        known, asked = table.within(0.0, low * share), table.within(low * share, high * share)
        for column, definition in enumerate(wanted if known.any() and asked.any() else ()):
            progress(f"{definition.name}: learning from the first {low:.0%} of the train part")
            member = fit(definition, table.features[known], table.target[known], seeds=1)
            odds[asked, column] = log_odds(member.probability(table.features[asked]))
    members: list[FittedMember] = []
    for column, definition in enumerate(wanted):
        progress(f"{definition.name}: learning from the train part")
        members.append(fit(definition, table.features[fitted], table.target[fitted]))
        odds[check, column] = log_odds(members[-1].probability(table.features[check]))
    return tuple(members), odds


def _fold(table: Table, odds: Floats) -> Mask:
    """Rows of the train part that have out-of-fold odds."""
    return (table.part == Part.TRAIN) & numpy.isfinite(odds).all(axis=1)


def digest(episodes: Sequence[Episodes]) -> str:
    """SHA-256 of everything that a group's model is learned from: names, values, outcomes, and where they lie."""
    known = hashlib.sha256()
    for one in episodes:
        series = one.series
        known.update(repr((one.layout, one.split, series.entity, series.labelled_from, series.part)).encode())
        for column in (series.values, series.observed, series.active, one.reference, series.business):
            known.update(b"" if column is None else numpy.ascontiguousarray(column).tobytes())
    return known.hexdigest()
