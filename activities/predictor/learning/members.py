"""The classifiers of the ensemble. Each learns from some of the features, and answers with a probability.

All learn from every row before an incident and from a sample of the quiet ones. What that does to the odds is taken out
again (King & Zeng, *Logistic Regression in Rare Events Data*, 2001): without it the probabilities are far too high.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, cast

import lightgbm
import numpy
import xgboost
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression  # pyright: ignore[reportMissingTypeStubs] -- scikit-learn has no types

from activities.predictor.learning.episodes import Floats, Mask, Rows

Matrix = NDArray[numpy.float32]
FLOOR = 1e-5
"""No member may be surer than this: one that is would decide the stack alone."""
MOST_ROWS = 60_000
"""Rows of one fit: neighbouring rows say nearly the same."""
QUIET_ROWS = 10.0
"""Quiet rows for each row before an incident."""
SEEDS = 2
"""Fits of a member on different samples, which are averaged. Out of fold, one is enough."""
TREES = 200
"""Of a boosted model."""
LIMIT = 5.0
"""A standardised feature is clipped to it before a logistic regression: one odd value must not decide alone."""


class Kind(StrEnum):
    """Of the model; what an export has to know."""

    LOGISTIC = "logistic"
    LIGHTGBM = "lightgbm"
    XGBOOST = "xgboost"


class Classifier(Protocol):
    """What all native models have in common."""

    def predict_proba(self, X: Matrix) -> Floats: ...  # noqa: N803 -- the name that all three libraries use


@dataclass(frozen=True)
class Logistic:
    """On standardised, clipped features: ``sigmoid(weights . clip((x - centre) / width) + bias)``."""

    centre: Floats
    width: Floats
    weights: Floats
    bias: float

    def predict_proba(self, X: Matrix) -> Floats:  # noqa: N803 -- as the native models name it
        """[n, 2]"""
        clipped = numpy.clip((X - self.centre) / self.width, -LIMIT, LIMIT)
        positive = 1 / (1 + numpy.exp(-numpy.clip(clipped @ self.weights + self.bias, -30, 30)))
        return numpy.stack([1 - positive, positive], axis=1)


@dataclass(frozen=True)
class Definition:
    """A member before it has learned."""

    name: str
    kind: Kind
    columns: tuple[int, ...]
    penalty: float = 300.0
    """Of the weights of a logistic regression; the boosted trees have one setting for all."""


@dataclass(frozen=True)
class FittedMember:
    """A member that has learned; its answer is the mean of its models'."""

    name: str
    kind: Kind
    columns: tuple[int, ...]
    """Of the features, in the order in which the models take them."""
    models: tuple[Classifier, ...]
    """Empty where there was nothing to tell apart."""
    kept: tuple[float, ...]
    """By which factor each model's odds are to be multiplied, to take the sampling out."""
    base: float
    """Share of positive rows: the answer where there is no model."""

    def probability(self, features: Matrix) -> Floats:
        """[n, F] -> [n]"""
        if not self.models:
            return numpy.full(len(features), self.base)
        narrow = features[:, list(self.columns)]
        pairs = zip(self.models, self.kept, strict=True)
        answers = [corrected(model.predict_proba(narrow)[:, 1].astype(numpy.float64), kept) for model, kept in pairs]
        return numpy.mean(answers, axis=0)


def corrected(probability: Floats, kept: float) -> Floats:
    """The probability that a model would give had it seen all rows, not a share *kept* of the quiet ones."""
    odds = numpy.clip(probability, FLOOR, 1 - FLOOR)
    return odds * kept / (odds * kept + 1 - odds)


def sampled(target: Mask, generator: numpy.random.Generator, most: int = MOST_ROWS) -> tuple[Rows, float]:
    """Rows for one fit, and the share of quiet rows kept over that of positive rows kept."""
    positive, quiet = numpy.flatnonzero(target), numpy.flatnonzero(~target)
    keep_positive = min(1.0, most / (1 + QUIET_ROWS) / max(len(positive), 1))
    keep_quiet = min(1.0, QUIET_ROWS * max(len(positive), 1) * keep_positive / max(len(quiet), 1))
    chosen = [
        positive[generator.random(len(positive)) < keep_positive],
        quiet[generator.random(len(quiet)) < keep_quiet],
    ]
    return numpy.sort(numpy.concatenate(chosen)), keep_quiet / keep_positive


def fit(definition: Definition, features: Matrix, target: Mask, seeds: int = SEEDS) -> FittedMember:
    """Learn from *features* [n, F] and *target* [n]."""
    models: list[Classifier] = []
    kept: list[float] = []
    for seed in range(seeds):
        rows, share = sampled(target, numpy.random.default_rng(seed))
        if 0 < int(target[rows].sum()) < len(rows):
            narrow = features[rows][:, list(definition.columns)]
            models.append(_FIT[definition.kind](definition, narrow, target[rows], seed))
            kept.append(share)
    base = float(target.mean()) if len(target) else 0.0
    return FittedMember(definition.name, definition.kind, definition.columns, tuple(models), tuple(kept), base)


def _logistic(definition: Definition, features: Matrix, target: Mask, _seed: int) -> Classifier:
    centre = features.mean(axis=0, dtype=numpy.float64)
    deviation = features.std(axis=0, dtype=numpy.float64)
    width = numpy.where(deviation > 1e-9, deviation, 1.0)
    clipped = numpy.clip((features - centre) / width, -LIMIT, LIMIT)
    model = cast(Any, LogisticRegression(C=1 / definition.penalty, max_iter=500))
    model.fit(clipped, target)
    return Logistic(centre, width, model.coef_[0], float(model.intercept_[0]))


def _lightgbm(_definition: Definition, features: Matrix, target: Mask, seed: int) -> Classifier:
    model = cast(
        Any,
        lightgbm.LGBMClassifier(
            n_estimators=TREES,
            learning_rate=0.04,
            num_leaves=8,
            min_child_samples=60,
            colsample_bytree=0.3,
            subsample=0.7,
            subsample_freq=1,
            reg_lambda=10.0,
            random_state=seed,
            n_jobs=1,
            verbose=-1,
        ),
    )
    model.fit(features, target)
    return model


def _xgboost(_definition: Definition, features: Matrix, target: Mask, seed: int) -> Classifier:
    model = cast(
        Any,
        xgboost.XGBClassifier(
            n_estimators=TREES,
            learning_rate=0.04,
            max_depth=4,
            min_child_weight=20,
            colsample_bytree=0.3,
            subsample=0.7,
            reg_lambda=10.0,
            random_state=seed,
            n_jobs=1,
            tree_method="hist",
        ),
    )
    model.fit(features, target)
    return model


_FIT: dict[Kind, Callable[[Definition, Matrix, Mask, int], Classifier]] = {
    Kind.LOGISTIC: _logistic,
    Kind.LIGHTGBM: _lightgbm,
    Kind.XGBOOST: _xgboost,
}
