"""Makes of all fitted members one ONNX graph, and holds it against them before it is believed.

The trees of all boosted models are one operator, all logistic regressions one product. What follows is taken in double
precision, where the corrected odds of rare incidents would lose digits otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import cast

import numpy
from numpy.typing import ArrayLike

from activities.predictor.graph import Graph
from activities.predictor.inference import Inference
from activities.predictor.learning.members import FLOOR, LIMIT, FittedMember, Kind, Logistic, Matrix
from activities.predictor.learning.trees import Boosted, of_lightgbm, of_xgboost
from models.base import SternwayError

PARITY = 1e-5
"""The largest difference between a served and a native probability."""
TRIAL_ROWS = 2_000
NOTHING = 1e-30
"""LightGBM takes what is within 1e-35 for zero, and splits there; no value of a feature lies at that very split."""


class ExportRefused(SternwayError):
    """The members cannot be served as they were learned."""


class _Models:
    """All fitted models by kind, each with the number of its member."""

    def __init__(self, members: Sequence[FittedMember]) -> None:
        self.boosted: list[tuple[int, Boosted]] = []
        self.logistic: list[tuple[int, Logistic]] = []
        kept: dict[bool, list[float]] = {True: [], False: []}
        for number, member in enumerate(members):
            for model, share in zip(member.models, member.kept, strict=True):
                kept[member.kind is Kind.LOGISTIC].append(share)
                if member.kind is Kind.LOGISTIC:
                    self.logistic.append((number, cast(Logistic, model)))
                else:
                    read = of_xgboost if member.kind is Kind.XGBOOST else of_lightgbm
                    self.boosted.append((number, read(model).on(member.columns)))
        self.members = [number for number, _ in (*self.boosted, *self.logistic)]
        """Of the columns of log odds: the boosted models come first."""
        self.kept = kept[False] + kept[True]


def export(members: Sequence[FittedMember], features: int) -> bytes:
    """The graph ``[n, features] -> [n, members]`` of probabilities, in double precision.

    Raises :class:`ExportRefused` where it does not answer as the members do.
    """
    models = _Models(members)
    if not models.members:
        raise ExportRefused("no member has learned anything: there were no incidents to learn from; record some first")
    graph = Graph("members", features, numpy.float32)
    blocks: list[str] = []
    if models.boosted:
        bias = graph.constant([model.bias for _, model in models.boosted], numpy.float32)
        blocks.append(graph.node("Add", graph.trees(graph.input, [one.trees for _, one in models.boosted]), bias))
    if models.logistic:
        blocks.append(_linear(graph, [(members[number].columns, model) for number, model in models.logistic]))
    odds = graph.double(graph.node("Concat", *blocks, axis=1))
    answers = _mean_by_member(graph, odds, members, models)
    served = graph.finish(answers, len(members))
    _hold_against(members, served, _trial(features, members, models))
    return served


def _linear(graph: Graph, models: Sequence[tuple[Sequence[int], Logistic]]) -> str:
    """All side by side: gather what each looks at, standardise, clip, and one product with a block matrix."""
    columns = list(chain.from_iterable(looks_at for looks_at, _ in models))
    centre = numpy.concatenate([model.centre for _, model in models])
    width = numpy.concatenate([model.width for _, model in models])
    weights = numpy.zeros((len(columns), len(models)))
    begin = 0
    for column, (looks_at, model) in enumerate(models):
        weights[begin : begin + len(looks_at), column] = model.weights
        begin += len(looks_at)

    def constant(values: ArrayLike) -> str:
        return graph.constant(values, numpy.float32)

    looked = graph.node("Gather", graph.input, graph.constant(columns, numpy.int64), axis=1)
    standard = graph.node("Div", graph.node("Sub", looked, constant(centre)), constant(width))
    clipped = graph.node("Clip", standard, constant(-LIMIT), constant(LIMIT))
    return graph.node("Gemm", clipped, constant(weights), constant([model.bias for _, model in models]))


def _mean_by_member(graph: Graph, odds: str, members: Sequence[FittedMember], models: _Models) -> str:
    """Take the sampling out of the log odds of each model [n, models], and average the models of each member."""
    limit = float(numpy.log((1 - FLOOR) / FLOOR))
    clipped = graph.node("Clip", odds, graph.constant(-limit, numpy.float64), graph.constant(limit, numpy.float64))
    corrected = graph.node("Add", clipped, graph.constant(numpy.log(models.kept), numpy.float64))
    shares = numpy.zeros((len(models.members), len(members)))
    for row, number in enumerate(models.members):
        shares[row, number] = 1 / len(members[number].models)
    base = [0.0 if member.models else member.base for member in members]
    mean = graph.node("MatMul", graph.node("Sigmoid", corrected), graph.constant(shares, numpy.float64))
    return graph.node("Add", mean, graph.constant(base, numpy.float64))


def _trial(features: int, members: Sequence[FittedMember], models: _Models) -> Matrix:
    """Rows on which a difference would show: at the splits of the trees, and one float32 above them."""
    generator = numpy.random.default_rng(0)
    rows = generator.normal(0, 2, (TRIAL_ROWS, features))
    for number, model in models.logistic:
        columns = list(members[number].columns)
        rows[:, columns] = model.centre + model.width * generator.normal(0, 2, (TRIAL_ROWS, len(columns)))
    trees = [tree for _, model in models.boosted for tree in model.trees]
    trial = rows.astype(numpy.float32)
    if trees:
        looked = numpy.concatenate([tree.feature[tree.left >= 0] for tree in trees])
        at = numpy.concatenate([tree.threshold[tree.left >= 0] for tree in trees]).astype(numpy.float32)
        for column in numpy.unique(looked).tolist():
            near = generator.choice(at[looked == column], TRIAL_ROWS)
            side = generator.integers(0, 3, TRIAL_ROWS)
            above = numpy.nextafter(near, numpy.float32(numpy.inf))
            trial[:, column] = numpy.choose(side, [near, above, trial[:, column]])
    return numpy.where(numpy.abs(trial) > NOTHING, trial, numpy.float32(0))


def _hold_against(members: Sequence[FittedMember], served: bytes, trial: Matrix) -> None:
    answers = Inference(served, numpy.float32)(trial)
    for column, member in enumerate(members):
        difference = numpy.abs(answers[:, column] - member.probability(trial))
        largest = float(difference.max())
        if not largest <= PARITY:
            raise ExportRefused(
                f'the exported member "{member.name}" differs from the fitted one by {largest:.1e}, where {PARITY:.0e} '
                "is allowed: the library that fitted it may have changed its format; use the version that is pinned"
            )
