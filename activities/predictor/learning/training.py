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

from activities.predictor.layout import Layout
from activities.predictor.learning.abstaining import (
    Evidence,
    Luck,
    better_by_persistence,
    luck,
    row_losses,
    without_history,
)
from activities.predictor.learning.calibration import Calibration, Platt, calibrate, cross_fitted, platt
from activities.predictor.learning.combining import Combiner, Way, choose, learn
from activities.predictor.learning.deciding import Costs, decide
from activities.predictor.learning.ensemble import PLAIN_PERSISTENCE, definitions
from activities.predictor.learning.episodes import Episodes, Floats, Group, Mask, Part, Split
from activities.predictor.learning.members import FittedMember, Matrix, fit
from activities.predictor.learning.metrics import brier_skill, pr_auc
from activities.predictor.learning.references import References, learn_references
from activities.predictor.learning.shrinkage import log_odds
from activities.predictor.learning.table import Progress, Table, tabulate

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
        learned = _Learned(table, progress)
        forecast, found = learned.forecast(), learned.evidence()
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
        digest(table.episodes),
        costs,
    )


def answers(table: Table, forecast: Forecast, silent: Collection[str]) -> Floats:
    """Probability of each row after the train part; -inf before, and where the entity is silent."""
    asked = table.part >= Part.VALIDATION
    quiet, fallen = (table.of_entities(names) for names in (silent, forecast.fallen_back))
    probability = numpy.full(len(table.target), -numpy.inf)
    probability[asked] = forecast.probability(forecast.odds(table.features[asked]), fallen[asked])
    probability[quiet] = -numpy.inf
    return probability


class _Learned:
    """The members of one table, and what they say of rows that they have not seen."""

    def __init__(self, table: Table, progress: Progress) -> None:
        self._table = table
        wanted = definitions(table.columns)
        train_share = table.episodes[0].split.train
        fitted, self._check = table.part == Part.TRAIN, table.part == Part.VALIDATION
        odds = numpy.full((len(table.target), len(wanted)), numpy.nan)
        for low, high in pairwise((*FOLDS, 1.0)):
            known, asked = table.within(0.0, low * train_share), table.within(low * train_share, high * train_share)
            for column, definition in enumerate(wanted if known.any() and asked.any() else ()):
                progress(f"{definition.name}: learning from the first {low:.0%} of the train part")
                member = fit(definition, table.features[known], table.target[known], seeds=1)
                odds[asked, column] = log_odds(member.probability(table.features[asked]))
        members: list[FittedMember] = []
        for column, definition in enumerate(wanted):
            progress(f"{definition.name}: learning from the train part")
            members.append(fit(definition, table.features[fitted], table.target[fitted]))
            odds[self._check, column] = log_odds(members[-1].probability(table.features[self._check]))
        self._members, self._odds = tuple(members), odds
        self._fold = fitted & numpy.isfinite(odds).all(axis=1)
        self._target, self._block = table.target[self._check], table.blocks(self._check)
        horizon = table.layout.horizon
        candidates = learn(odds[self._fold], table.target[self._fold], horizon)
        self._combiner, self._skills = choose(candidates, odds[self._check], self._target, self._block, horizon)
        self._score = self._combiner(odds)

    def forecast(self) -> Forecast:
        """The whole way from features to probabilities."""
        table, check = self._table, self._check
        incidents = sum(len(stretch.starts) for stretch in table.stretches(check)[0])
        calibration = calibrate(
            self._score[check], self._target, self._block, incidents=incidents, horizon=table.layout.horizon
        )
        return Forecast(
            self._members,
            self._combiner,
            calibration,
            self._platt(self._odds[:, 0], check),
            self._fallen_back(),
            self._skills,
        )

    def evidence(self) -> Evidence:
        """For and against speaking. The probabilities are calibrated on other rows than they are judged on."""
        table, check = self._table, self._check
        probability = numpy.full(len(self._score), numpy.nan)
        probability[check] = cross_fitted(platt, self._score[check], self._target, self._block, table.layout.horizon)
        # The clock as a member and in its plain form, the share of earlier days: both have to be beaten.
        names = [column.name for column in table.columns]
        plain = (
            [table.features[:, names.index(PLAIN_PERSISTENCE)].astype(numpy.float64)]
            if PLAIN_PERSISTENCE in names
            else []
        )
        return Evidence(
            brier_skill(self._target, probability[check]),
            max(pr_auc(self._target, clock[check]) for clock in (self._odds[:, 0], *plain)),
            self._luck(check, probability),
            self._luck(self._fold, self._score),
        )

    def _luck(self, rows: Mask, score: Floats) -> Luck:
        stretches, indices = self._table.stretches(rows)
        return luck(stretches, [score[index] for index in indices])

    def _fallen_back(self) -> frozenset[str]:
        table, periods = self._table, [self._fold, self._check]
        losses = [
            [
                row_losses(table.target[period], self._platt(score, period)(score[period]))
                for score in (self._score, self._odds[:, 0])
            ]
            for period in periods
        ]
        worse = better_by_persistence([table.entity[period] for period in periods], losses, len(table.episodes))
        return frozenset(one.series.entity for one, bad in zip(table.episodes, worse, strict=True) if bad)

    def _platt(self, score: Floats, rows: Mask) -> Platt:
        return platt(score[rows], self._table.target[rows], self._table.layout.horizon)


def digest(episodes: Sequence[Episodes]) -> str:
    """SHA-256 of everything that a group's model is learned from: names, values, outcomes, and where they lie."""
    known = hashlib.sha256()
    for one in episodes:
        series = one.series
        known.update(repr((one.layout, one.split, series.entity, series.labelled_from, series.part)).encode())
        for column in (series.values, series.observed, series.active, one.reference, series.business):
            known.update(b"" if column is None else numpy.ascontiguousarray(column).tobytes())
    return known.hexdigest()
