"""Builds ONNX graphs of fitted models by hand. Training only.

The converters of the libraries give each model several operators of its own. Written by hand, all trees of all models
are one operator and all linear models one product, and what is served is a handful of operators (a converted isolation
forest alone takes longer than all models here together: ``python -m bench.predict_latency``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy
import onnx
from numpy.typing import ArrayLike, NDArray

OPSET, ML_OPSET, FORMAT = 21, 3, 10
"""Versions of the two sets of operators and of the file format; every onnxruntime since 1.18 reads them."""


@dataclass(frozen=True)
class Tree:
    """A binary tree as arrays over its nodes: *left* where ``row[feature] <= threshold``, else *right*."""

    feature: NDArray[numpy.integer]
    threshold: NDArray[numpy.float64]
    left: NDArray[numpy.integer]
    """Negative at a leaf."""
    right: NDArray[numpy.integer]
    value: NDArray[numpy.float64]
    """Of the leaves."""


class Graph:
    """One input ``[n, inputs]``, one output. :meth:`node` adds an operator and returns the name of what it gives."""

    def __init__(self, name: str, inputs: int, kind: type[numpy.floating]) -> None:
        """*kind*: of the input."""
        self._name = name
        self._takes = onnx.helper.make_tensor_value_info("rows", _type(kind), ["n", inputs])
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self.input = "rows"
        self.axis = self.constant([1], numpy.int64)
        """The axis of the columns, as the reducing operators take it."""

    def constant(self, values: ArrayLike, kind: type[numpy.generic]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(onnx.numpy_helper.from_array(numpy.asarray(values, dtype=kind), name))
        return name

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        output = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(onnx.helper.make_node(operator, inputs, [output], output, domain=domain, **attributes))
        return output

    def double(self, values: str) -> str:
        """In double precision."""
        return self.node("Cast", values, to=_type(numpy.float64))

    def mean(self, values: str) -> str:
        """Of each row: ``[n, 1]``."""
        return self.node("ReduceMean", values, self.axis)

    def log1p(self, values: str) -> str:
        """Of values in double precision."""
        return self.node("Log", self.node("Add", values, self.constant(1.0, numpy.float64)))

    def trees(self, values: str, ensembles: Sequence[Sequence[Tree]]) -> str:
        """``[n, ensembles]``: the sums of the leaves that a row falls into, one column for each ensemble of trees.

        In single precision, as the rows must be.
        """
        return self.node(
            "TreeEnsembleRegressor", values, domain="ai.onnx.ml", n_targets=len(ensembles), **_attributes(ensembles)
        )

    def finish(self, output: str, outputs: int) -> bytes:
        """The file, which answers with what *output* names, ``[n, outputs]`` in double precision."""
        self._nodes.append(onnx.helper.make_node("Identity", [output], ["scores"]))
        gives = onnx.helper.make_tensor_value_info("scores", _type(numpy.float64), ["n", outputs])
        body = onnx.helper.make_graph(self._nodes, self._name, [self._takes], [gives], self._constants)
        opsets = [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model = onnx.helper.make_model(body, opset_imports=opsets, ir_version=FORMAT, producer_name="sternway")
        cast(Any, onnx).checker.check_model(model)
        return model.SerializeToString(deterministic=True)


def _type(kind: type[numpy.generic]) -> int:
    return onnx.helper.np_dtype_to_tensor_dtype(numpy.dtype(kind))


def _attributes(ensembles: Sequence[Sequence[Tree]]) -> dict[str, Any]:
    """The parallel lists of the operator: of every node of every tree, and of every leaf."""
    numbered = list(enumerate((target, tree) for target, trees in enumerate(ensembles) for tree in trees))
    sizes = [len(tree.left) for _, (_, tree) in numbered]
    inner = numpy.concatenate([tree.left >= 0 for _, (_, tree) in numbered])
    tree_of = numpy.repeat(numpy.arange(len(sizes)), sizes)
    node_of = numpy.concatenate([numpy.arange(size) for size in sizes])
    target_of = numpy.repeat([target for _, (target, _) in numbered], sizes)

    def joined(parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
        return numpy.where(inner, numpy.concatenate(list(parts)), 0)

    leaf = ~inner
    values = numpy.concatenate([tree.value for _, (_, tree) in numbered])
    thresholds = joined(tree.threshold for _, (_, tree) in numbered)
    return {
        "nodes_treeids": tree_of.tolist(),
        "nodes_nodeids": node_of.tolist(),
        "nodes_featureids": joined(tree.feature for _, (_, tree) in numbered).tolist(),
        "nodes_values": _at_most(thresholds).tolist(),
        "nodes_modes": numpy.where(inner, "BRANCH_LEQ", "LEAF").tolist(),
        "nodes_truenodeids": joined(tree.left for _, (_, tree) in numbered).tolist(),
        "nodes_falsenodeids": joined(tree.right for _, (_, tree) in numbered).tolist(),
        "target_treeids": tree_of[leaf].tolist(),
        "target_nodeids": node_of[leaf].tolist(),
        "target_ids": target_of[leaf].tolist(),
        "target_weights": values[leaf].astype(numpy.float32).tolist(),
    }


def _at_most(thresholds: NDArray[numpy.float64]) -> NDArray[numpy.float32]:
    """The largest float32 that is not above: a float32 is at most the one exactly where it is at most the other."""
    rounded = thresholds.astype(numpy.float32)
    return numpy.where(rounded > thresholds, numpy.nextafter(rounded, numpy.float32(-numpy.inf)), rounded)
