"""Reads the trees out of boosted models, as they are served: one column of log odds for each model."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy
from numpy.typing import NDArray

from activities.predictor.graph import Tree


@dataclass(frozen=True)
class Boosted:
    """The log odds are *bias* and the sum of the leaves."""

    trees: tuple[Tree, ...]
    bias: float

    def on(self, columns: Sequence[int]) -> Boosted:
        """The same, looking at the row that *columns* were taken from."""
        places: NDArray[numpy.intp] = numpy.array(columns, dtype=numpy.intp)
        trees = tuple(replace(tree, feature=places[tree.feature]) for tree in self.trees)
        return replace(self, trees=trees)


def of_xgboost(model: Any) -> Boosted:
    """Of an ``XGBClassifier``. It goes left where a value is *less* than the condition; both are float32."""
    learner = json.loads(model.get_booster().save_raw("json"))["learner"]
    base = float(json.loads(learner["learner_model_param"]["base_score"])[0])
    trees = [_of_xgboost(tree) for tree in learner["gradient_booster"]["model"]["trees"]]
    return Boosted(tuple(trees), math.log(base / (1 - base)))


def _of_xgboost(tree: dict[str, Any]) -> Tree:
    condition = numpy.array(tree["split_conditions"], dtype=numpy.float32)
    return Tree(
        feature=numpy.array(tree["split_indices"]),
        threshold=numpy.nextafter(condition, numpy.float32(-numpy.inf)).astype(numpy.float64),
        left=numpy.array(tree["left_children"]),
        right=numpy.array(tree["right_children"]),
        value=condition.astype(numpy.float64),
    )


def of_lightgbm(model: Any) -> Boosted:
    """Of an ``LGBMClassifier``, whose first tree holds the bias."""
    return Boosted(
        tuple(_of_lightgbm(tree["tree_structure"]) for tree in model.booster_.dump_model()["tree_info"]), 0.0
    )


def _of_lightgbm(root: dict[str, Any]) -> Tree:
    nodes: list[dict[str, Any]] = [root]
    left, right = list[int](), list[int]()
    for node in nodes:  # grows while it is walked
        inner = "split_feature" in node
        left.append(len(nodes) if inner else -1)
        right.append(len(nodes) + 1 if inner else -1)
        if inner:
            nodes += [node["left_child"], node["right_child"]]
    numbers = {name: [cast(float, node.get(name, 0)) for node in nodes] for name in _LIGHTGBM}
    return Tree(
        feature=numpy.array(numbers["split_feature"], dtype=numpy.intp),
        threshold=numpy.array(numbers["threshold"], dtype=numpy.float64),
        left=numpy.array(left),
        right=numpy.array(right),
        value=numpy.array(numbers["leaf_value"], dtype=numpy.float64),
    )


_LIGHTGBM = ("split_feature", "threshold", "leaf_value")
