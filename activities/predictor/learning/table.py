"""All rows of a group that are asked, with their features.

The features come from the very bank that serves: all entities are walked side by side, row by row, so that nothing can
look ahead and nothing can differ between learning and serving.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy
from numpy.typing import NDArray

from activities.predictor.features.bank import FeatureBank
from activities.predictor.features.business import NUMBERS
from activities.predictor.features.registry import Column
from activities.predictor.layout import Layout
from activities.predictor.learning.episodes import Episodes, Floats, Mask, Part, Rows, Series
from activities.predictor.learning.metrics import Stretch
from activities.predictor.learning.references import References

CHUNK = 512
"""Rows that detectors look at in one go; they have no memory, so that this changes nothing."""
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Table:
    """Rows are ordered by entity and time; embargoed rows are left out."""

    layout: Layout
    episodes: tuple[Episodes, ...]
    columns: tuple[Column, ...]
    """Of the features."""
    features: NDArray[numpy.float32]
    """[n, F]"""
    target: Mask
    entity: Rows
    row: Rows
    """In the series of the entity."""
    share: Floats
    """Of the labelled period that lies before; units that run to failure follow each other."""
    part: NDArray[numpy.int8]

    def within(self, low: float, high: float) -> Mask:
        """Rows of the train part from the share *low* on whose horizon ends before *high*."""
        reach = [
            0.0
            if one.series.part is not None
            else self.layout.horizon / max(len(one.share) - one.series.labelled_from, 1)
            for one in self.episodes
        ]
        inside = (self.share >= low) & (self.share + numpy.array(reach)[self.entity] <= high)
        return inside & (self.part == Part.TRAIN)  # units that run to failure lie anywhere among the shares

    def of_entities(self, names: Collection[str]) -> Mask:
        """Rows of the entities that are called so."""
        chosen = numpy.array([one.series.entity in names for one in self.episodes])
        return chosen[self.entity]

    def feature(self, name: str) -> Floats | None:
        """[n]: the column that is called so; None where this layout has none."""
        numbers = [number for number, column in enumerate(self.columns) if column.name == name]
        return self.features[:, numbers[0]].astype(numpy.float64) if numbers else None

    def stretches(self, mask: Mask) -> tuple[list[Stretch], list[Rows]]:
        """For each entity with rows in *mask*, what is judged and which rows of the table that is."""
        found: list[Stretch] = []
        indices: list[Rows] = []
        for one, index in self._by_entity(mask):
            found.append(Stretch.of(one, self.row[index]))
            indices.append(index)
        return found, indices

    def blocks(self, mask: Mask) -> Rows:
        """0 or 1 for each row in *mask*: halves of entities and of their time, so that even a single one has two."""
        half = numpy.zeros(len(self.target), dtype=numpy.intp)
        for one, index in self._by_entity(mask):
            if one.series.part is None:
                half[index] = self.row[index] > (self.row[index[0]] + self.row[index[-1]]) // 2
        return ((self.entity + half) % 2)[mask]

    def _by_entity(self, mask: Mask) -> Iterator[tuple[Episodes, Rows]]:
        """Those that have rows in *mask*, with these."""
        bounds = numpy.searchsorted(self.entity, numpy.arange(len(self.episodes) + 1)).tolist()
        for one, (begin, end) in zip(self.episodes, pairwise(bounds), strict=True):
            index = begin + numpy.flatnonzero(mask[begin:end])
            if len(index):
                yield one, index


def tabulate(
    episodes: Sequence[Episodes], recorded: Sequence[Series], references: References, progress: Progress
) -> Table:
    """Walk the entities with the outcomes that are *recorded*, and keep the rows that *episodes* ask."""
    layout = episodes[0].layout
    asked = [numpy.flatnonzero(one.eligible & (one.part != Part.EMBARGO)) for one in episodes]
    entity = numpy.concatenate([numpy.full(len(rows), number) for number, rows in enumerate(asked)])
    row = numpy.concatenate(asked)
    place = numpy.full((max(len(one.active) for one in recorded), len(recorded)), -1, dtype=numpy.intp)
    place[row, entity] = numpy.arange(len(row))
    bank = FeatureBank(layout, len(recorded), references.detectors.names)
    features = numpy.empty((len(row), len(bank.names)), dtype=numpy.float32)
    for at, which, answer in _walk(bank, layout, recorded, references, progress):
        kept = place[at, which]
        features[kept[kept >= 0]] = answer[kept >= 0]
    units = len(episodes)
    shares = [
        one.share[rows] if one.series.part is None else numpy.full(len(rows), number / units)
        for number, (one, rows) in enumerate(zip(episodes, asked, strict=True))
    ]
    pairs = list(zip(episodes, asked, strict=True))
    return Table(
        layout,
        tuple(episodes),
        bank.columns,
        features,
        numpy.concatenate([one.target[rows] for one, rows in pairs]),
        entity,
        row,
        numpy.concatenate(shares),
        numpy.concatenate([one.part[rows] for one, rows in pairs]),
    )


def _walk(
    bank: FeatureBank, layout: Layout, series: Sequence[Series], references: References, progress: Progress
) -> Iterator[tuple[int, Rows, NDArray[numpy.float32]]]:
    """Row number, entities that have it, and their features, in the order of time."""
    lengths = numpy.array([len(one.active) for one in series])
    labelled_from = numpy.array([one.labelled_from for one in series])
    longest = int(lengths.max())
    for begin in range(0, longest, CHUNK):
        progress(f"features of row {begin:,} of {longest:,}")
        chunk = _chunk(layout, series, references, begin)
        for step in range(min(CHUNK, longest - begin)):
            at = begin + step
            which = numpy.flatnonzero(lengths > at)
            if (labelled_from == at).any():
                bank.record_outcomes(numpy.flatnonzero(labelled_from == at))
            features = bank.observe(
                which,
                chunk.scaled[step, which],
                chunk.strangeness[step, which],
                chunk.observed[step, which],
                chunk.active[step, which],
                chunk.slot[step, which],
                None if chunk.business is None else chunk.business[step, which],
            )
            yield at, which, features


@dataclass(frozen=True)
class _Chunk:
    """What the bank takes in, [rows, entities, ...]; empty where a series has ended."""

    scaled: Floats
    strangeness: Floats
    observed: Mask
    active: Mask
    slot: Rows
    business: Floats | None


def _chunk(layout: Layout, series: Sequence[Series], references: References, begin: int) -> _Chunk:
    entities, period = len(series), layout.period
    first_slot = numpy.array([one.first_slot for one in series])
    at = begin + numpy.arange(CHUNK)
    chunk = _Chunk(
        numpy.zeros((CHUNK, entities, len(layout.metrics))),
        numpy.zeros((CHUNK, entities, len(references.detectors.names))),
        numpy.zeros((CHUNK, entities), dtype=bool),
        numpy.zeros((CHUNK, entities), dtype=bool),
        (at[:, None] + first_slot) % period if period else numpy.zeros((CHUNK, entities), dtype=numpy.intp),
        numpy.full((CHUNK, entities, len(NUMBERS)), numpy.nan) if layout.business else None,
    )
    for number, one in enumerate(series):
        rows = slice(begin, begin + CHUNK)
        count = len(one.active[rows])
        if count:
            chunk.scaled[:count, number], chunk.strangeness[:count, number] = references.look(number, one.values[rows])
            chunk.observed[:count, number], chunk.active[:count, number] = one.observed[rows], one.active[rows]
            if chunk.business is not None and one.business is not None:
                chunk.business[:count, number] = one.business[rows]
    return chunk
