"""Where each entity stands on the grid of time: what may be taken in next, and when it would be wrong to speak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from activities.predictor.features.business import NUMBERS
from activities.predictor.features.rings import Floats, Indices
from activities.predictor.layout import Layout, Windows
from activities.predictor.serving.answers import Samples

NEVER = -(2**62)
LARGEST = float(numpy.finfo(numpy.float32).max)
Mask = NDArray[numpy.bool_]


@dataclass(frozen=True)
class Rows:
    """What the features are made of: a row of each of several entities, with all holes filled."""

    row: Indices
    values: Floats
    observed: Mask
    active: Mask
    business: Floats

    def where(self, kept: Mask) -> Rows:
        """Those of *kept*."""
        return Rows(self.row[kept], self.values[kept], self.observed[kept], self.active[kept], self.business[kept])


class Tracks:
    """Of *entities* entities, numbered from 0."""

    def __init__(self, layout: Layout, entities: int) -> None:
        self._layout = layout
        windows = Windows.of(layout)
        self.memory = max(windows.long, layout.period)
        """Rows that features look back; after a longer gap an entity begins anew."""
        self.wanted = self.memory if layout.period else layout.horizon
        """Rows that an entity must have had. Where there are no days, entities are units that run to failure: what a
        young one looks like is part of what is learned."""
        self.patience = windows.long
        """Rows without any change after which a source is taken to be stuck."""
        self.row: Indices = numpy.full(entities, NEVER, dtype=numpy.intp)
        """The latest that was taken in."""
        self.count: Indices = numpy.zeros(entities, dtype=numpy.intp)
        """Rows since the entity began, filled gaps among them."""
        self.generation: Indices = numpy.zeros(entities, dtype=numpy.intp)
        """Of the features: one more with each row, and never again the same."""
        self._values: Floats = numpy.zeros((entities, len(layout.metrics)))
        self._business: Floats = numpy.full((entities, len(NUMBERS)), numpy.nan)
        self._observed: Mask = numpy.zeros(entities, dtype=numpy.bool_)
        self._active: Mask = numpy.zeros(entities, dtype=numpy.bool_)
        self._changed: Indices = numpy.full(entities, NEVER, dtype=numpy.intp)
        self._incident: Indices = numpy.full(entities, NEVER, dtype=numpy.intp)
        """The latest row with an incident under way."""

    def refusals(self, which: Indices, samples: Samples) -> dict[int, str]:
        """By place in *samples*, why a sample cannot be taken in."""
        late = samples.row <= self.row[which]
        anew = (self.count[which] == 0) | (self.gaps(which, samples.row) > self.memory)
        first = anew & ~samples.observed
        broken = samples.observed & ~(numpy.abs(samples.values) <= LARGEST).all(axis=1)
        if samples.business is not None:
            broken |= numpy.isinf(samples.business).any(axis=1)
        bad = late | first | broken
        if not bad.any():
            return {}
        return {place: self._refusal(int(which[place]), samples, place) for place in numpy.flatnonzero(bad).tolist()}

    def _refusal(self, number: int, samples: Samples, place: int) -> str:
        if samples.row <= self.row[number]:
            return (
                f"the sample of row {samples.row} came after that of row {self.row[number]}: what is late or comes "
                "twice is left out"
            )
        if not samples.observed[place]:
            return f"there was no sample at row {samples.row}, and none of late that could stand in for it"
        for name, value in zip(self._layout.metrics, samples.values[place].tolist(), strict=True):
            if not abs(value) <= LARGEST:
                return f"{name} is {value} at row {samples.row}: a row that lacks a metric must come as not observed"
        return f"a business number is infinite at row {samples.row}: one that is not known must come as NaN"

    def filled(self, which: Indices, samples: Samples) -> Rows:
        """*samples* of *which*, where the row before stands in for what was not observed."""
        # As exact as what is learned from, which is kept in single precision.
        with numpy.errstate(over="ignore"):  # of what is refused
            single = samples.values.astype(numpy.float32)
        values = numpy.where(samples.observed[:, None], single, self._values[which])
        business = self._business[which] if samples.business is None else samples.business
        row: Indices = numpy.full(len(which), samples.row, dtype=numpy.intp)
        return Rows(row, values, samples.observed, samples.active, business)

    def gaps(self, which: Indices, row: int) -> Indices:
        """[n]: rows that are missing before *row*; none of an entity that begins."""
        return numpy.where(self.count[which] > 0, row - 1 - self.row[which], 0)

    def missing(self, which: Indices) -> Rows:
        """The next row of each of *which*, of which nothing came: as the one before."""
        observed: Mask = numpy.zeros(len(which), dtype=numpy.bool_)
        return Rows(self.row[which] + 1, self._values[which], observed, self._active[which], self._business[which])

    def take(self, which: Indices, rows: Rows) -> None:
        """The next row of each of *which*."""
        moved = (rows.values != self._values[which]).any(axis=1) | (self.count[which] == 0)
        self._changed[which[moved]] = rows.row[moved]
        self._incident[which[rows.active]] = rows.row[rows.active]
        self.row[which] = rows.row
        self.count[which] += 1
        self.generation[which] += 1
        self._values[which] = rows.values
        self._business[which] = rows.business
        self._observed[which] = rows.observed
        self._active[which] = rows.active

    def forget(self, which: Indices) -> None:
        """Begin anew. Generations go on: no answer of before may be taken for one of now."""
        self.count[which] = 0
        self.row[which] = NEVER
        self._incident[which] = NEVER

    def objections(self, which: Indices) -> dict[int, str]:
        """By place in *which*, why nothing should be said about the latest row."""
        young = self.count[which] < self.wanted
        stuck = self.row[which] - self._changed[which] >= self.patience
        since = self.row[which] - self._incident[which]
        troubled = since <= self._layout.merge
        absent = ~self._observed[which]
        bad = young | stuck | troubled | absent
        if not bad.any():
            return {}
        reasons: dict[int, str] = {}
        for place in numpy.flatnonzero(bad).tolist():
            number = which[place]
            if absent[place]:
                reasons[place] = f"no sample came for row {self.row[number]}"
            elif young[place]:
                reasons[place] = f"{self.count[number]} of {self.wanted} rows seen: too little history"
            elif stuck[place]:
                quiet = self.row[number] - self._changed[number]
                reasons[place] = f"no metric has changed for {quiet} rows: the source may be stuck"
            elif since[place] == 0:
                reasons[place] = "an incident is under way, and only new ones are foretold"
            else:
                reasons[place] = f"an incident ended {since[place]} rows ago, and {self._layout.merge} must pass first"
        return reasons
