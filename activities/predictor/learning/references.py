"""What is usual for each entity: its scale, the group's detectors, and the scores that its own rows usually have.

All is fitted without labels, on rows before anything is judged. An entity that is new to a trained group is measured by
the group's prior until it has rows of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from activities.predictor.detectors.fitting import fit
from activities.predictor.detectors.scale import Scale
from activities.predictor.detectors.scoring import Detectors, reference_of
from activities.predictor.learning.episodes import Floats

PRIOR_ROWS = 20_000
"""Rows of the prior, equally from all entities."""


@dataclass(frozen=True)
class Reference:
    """Of one entity."""

    scale: Scale
    quantiles: NDArray[numpy.float32]
    """[levels, detectors]: of the raw scores of its reference rows."""


@dataclass(frozen=True)
class References:
    """Of a group."""

    graph: bytes
    """The detectors, as an ONNX graph."""
    detectors: Detectors
    entities: tuple[Reference, ...]
    prior: Reference

    def look(self, entity: int, values: NDArray[numpy.float32]) -> tuple[Floats, Floats]:
        """Of rows [n, M] of an entity: scaled [n, M], and how strange each detector finds them [n, D]."""
        known = self.entities[entity]
        scaled = known.scale(values)
        return scaled, self.detectors.rank(self.detectors.score(scaled), known.quantiles[None])


def learn_references(rows: Sequence[NDArray[numpy.float32]]) -> References:
    """From the reference rows [any, M] of each entity. The same array for several entities is looked at once."""
    distinct = {id(each): each for each in rows}
    scales = {key: Scale.of(each) for key, each in distinct.items()}
    graph = fit([scales[key](each) for key, each in distinct.items()])
    detectors = Detectors(graph)
    known = {key: _reference(detectors, scales[key], each) for key, each in distinct.items()}
    stride = max(1, sum(len(each) for each in distinct.values()) // PRIOR_ROWS)
    pooled = numpy.concatenate([each[::stride] for each in distinct.values()])
    prior = _reference(detectors, Scale.of(pooled), pooled)
    return References(graph, detectors, tuple(known[id(each)] for each in rows), prior)


def _reference(detectors: Detectors, scale: Scale, rows: NDArray[numpy.float32]) -> Reference:
    return Reference(scale, reference_of(detectors.score(scale(rows))))
