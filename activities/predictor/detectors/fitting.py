"""Fits the detectors of a group on the scaled reference rows of all its entities, without labels. Training only.

All of them become one ONNX graph, which is what training and evaluation score with too. It computes in double
precision: learning scores many rows at once and serving a few, whose sums are taken in another order, and what that
changes must not reach the features, which trees split. They are few and cheap on purpose: what a detector is worth
shows in the classifiers, which weigh their ranks.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, cast

import numpy
import onnx
from numpy.typing import ArrayLike, NDArray
from sklearn import (  # pyright: ignore[reportMissingTypeStubs] -- it comes without types
    ensemble,
    exceptions,
    neural_network,
    svm,
)

from activities.predictor.detectors.scale import ReferenceRefused
from activities.predictor.detectors.scoring import NAMES
from activities.predictor.graph import Graph, Tree

MOST_ROWS = 8_000
FOREST_TREES, FOREST_ROWS = 100, 256
"""Liu, Ting and Zhou, "Isolation Forest", ICDM 2008."""
SVM_ROWS, SVM_OUTLIERS = 600, 0.05
"""Schölkopf et al., "Estimating the Support of a High-Dimensional Distribution", 2001. The support vectors, which a
row is compared with, are at least this share of the rows."""
PCA_SHARE = 0.9
"""Of the variance that the components explain; the residual is what they do not."""
AUTOENCODER_STEPS, AUTOENCODER_BATCH = 2_000, 200
"""As many steps whatever the number of rows: what few rows lack in size they get in passes."""

Rows = NDArray[numpy.float64]


def fit(references: Sequence[Rows], seed: int = 0) -> bytes:
    """The graph ``[n, M] -> [n, len(NAMES)]`` from the scaled reference rows ``[rows, M]`` of each entity.

    Raises :class:`ReferenceRefused` where there are fewer than two rows.
    """
    generator = numpy.random.default_rng(seed)
    each = max(MOST_ROWS // max(len(references), 1), 1)
    rows = numpy.concatenate([_sample(reference, each, generator) for reference in references])
    if len(rows) < 2:
        raise ReferenceRefused("the group has fewer than two reference rows: nothing can be learnt from it yet")
    rows = generator.permutation(rows)
    graph = Graph("detectors", rows.shape[1], numpy.float64)
    scores = {
        "isolation_forest": _isolation_forest(graph, rows, seed),
        "one_class_svm": _one_class_svm(graph, rows[:SVM_ROWS]),
        "autoencoder": _autoencoder(graph, rows, seed),
        "pca_residual": _pca_residual(graph, rows),
        **_robust_z(graph),
    }
    return graph.finish(graph.node("Concat", *(scores[name] for name in NAMES), axis=1), len(NAMES))


def _sample(rows: Rows, most: int, generator: numpy.random.Generator) -> Rows:
    return rows if len(rows) <= most else rows[generator.choice(len(rows), most, replace=False)]


def _isolation_forest(graph: Graph, rows: Rows, seed: int) -> str:
    """``2 ** -(mean path / expected path)`` with the path lengths as leaves of one ensemble of trees."""
    size = min(FOREST_ROWS, len(rows))
    forest = cast(Any, ensemble).IsolationForest(n_estimators=FOREST_TREES, max_samples=size, random_state=seed)
    forest.fit(rows)
    unit = FOREST_TREES * float(_expected_path(numpy.array([size]))[0])
    trees = [_path_lengths(fitted.tree_, unit) for fitted in forest.estimators_]
    single = graph.node("Cast", graph.input, to=int(onnx.TensorProto.FLOAT))
    shortness = graph.double(graph.trees(single, [trees]))
    return graph.node("Exp", graph.node("Mul", shortness, _constant(graph, numpy.log(2))))


def _path_lengths(tree: Any, unit: float) -> Tree:
    left, right = tree.children_left, tree.children_right
    depth = numpy.zeros(len(left))
    for node in range(len(left)):  # a parent comes before its children
        if left[node] >= 0:
            depth[left[node]] = depth[right[node]] = depth[node] + 1
    return Tree(tree.feature, tree.threshold, left, right, -(depth + _expected_path(tree.n_node_samples)) / unit)


def _expected_path(rows: NDArray[numpy.integer]) -> Rows:
    """Mean depth at which a random tree of so many rows isolates one: equation 1 of the paper."""
    many = numpy.maximum(rows, 3).astype(numpy.float64)
    expected = 2 * (numpy.log(many - 1) + numpy.euler_gamma) - 2 * (many - 1) / many
    return numpy.where(rows > 2, expected, numpy.where(rows == 2, 1.0, 0.0))


def _one_class_svm(graph: Graph, rows: Rows) -> str:
    """``rho - sum(weight * exp(-gamma * |row - support|^2))``, with the square written out: one product for all."""
    machine = cast(Any, svm).OneClassSVM(nu=SVM_OUTLIERS).fit(rows)
    known, gamma = machine.support_vectors_, float(machine._gamma)
    square = graph.node("ReduceSum", graph.node("Mul", graph.input, graph.input), graph.axis)
    product = graph.node("Gemm", graph.input, _constant(graph, 2 * known.T), _constant(graph, -(known**2).sum(axis=1)))
    near = graph.node("Mul", graph.node("Sub", product, square), _constant(graph, gamma))
    weights, rho = _constant(graph, -machine.dual_coef_.T), _constant(graph, -machine.intercept_)
    return graph.node("Gemm", graph.node("Exp", near), weights, rho)


def _autoencoder(graph: Graph, rows: Rows, seed: int) -> str:
    metrics = rows.shape[1]
    width, bottleneck = min(2 * metrics, 24), max(1, metrics // 3)
    network = cast(Any, neural_network).MLPRegressor(
        hidden_layer_sizes=(width, bottleneck, width),
        activation="tanh",
        batch_size=min(AUTOENCODER_BATCH, len(rows)),
        max_iter=AUTOENCODER_STEPS * AUTOENCODER_BATCH // max(len(rows), AUTOENCODER_BATCH),
        learning_rate_init=0.003,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # The steps that it is given are enough to see what belongs together.
        warnings.simplefilter("ignore", cast(Any, exceptions).ConvergenceWarning)
        network.fit(rows, rows.ravel() if metrics == 1 else rows)
    layer = graph.input
    for number, (weights, bias) in enumerate(zip(network.coefs_, network.intercepts_, strict=True)):
        layer = graph.node("Gemm", layer, _constant(graph, weights), _constant(graph, bias))
        if number < len(network.coefs_) - 1:
            layer = graph.node("Tanh", layer)
    return _mean_square(graph, graph.node("Sub", graph.input, layer))


def _pca_residual(graph: Graph, rows: Rows) -> str:
    """The part of a row that the leading components do not explain; of a single metric, its distance from the mean."""
    mean = rows.mean(axis=0)
    variances, vectors = numpy.linalg.eigh(numpy.cov(rows, rowvar=False).reshape(rows.shape[1], -1))
    explained = cast(Rows, numpy.cumsum(variances[::-1]))
    kept = min(int(numpy.count_nonzero(explained < PCA_SHARE * explained[-1])) + 1, rows.shape[1] - 1)
    leading = vectors[:, ::-1][:, :kept]
    rest = numpy.eye(rows.shape[1]) - leading @ leading.T
    return _mean_square(graph, graph.node("Gemm", graph.input, _constant(graph, rest), _constant(graph, -mean @ rest)))


def _constant(graph: Graph, values: ArrayLike) -> str:
    return graph.constant(values, numpy.float64)


def _robust_z(graph: Graph) -> dict[str, str]:
    size = graph.node("Abs", graph.input)
    return {"robust_z": graph.mean(graph.log1p(size)), "robust_z_max": graph.node("ReduceMax", size, graph.axis)}


def _mean_square(graph: Graph, residual: str) -> str:
    """Its logarithm: an error that is a thousand times larger is not a thousand times stranger."""
    return graph.log1p(graph.mean(graph.node("Mul", residual, residual)))
