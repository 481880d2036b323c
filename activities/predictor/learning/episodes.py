"""What is asked of each row: does a NEW incident start within the horizon, may it be asked at all, and in which part.

Segments of an incident that lie nearer than the cool-down are one incident. Rows inside an incident or its cool-down
are not asked: who is in trouble needs no forecast of it. Each labelled period is split by time, with an embargo of one
horizon before each cut, so that no target of an earlier part looks into a later one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property

import numpy
from numpy.typing import NDArray

from activities.predictor.layout import Layout

Floats = NDArray[numpy.float64]
Rows = NDArray[numpy.intp]
Mask = NDArray[numpy.bool_]


class Part(IntEnum):
    """What a row is used for."""

    EMBARGO = -1
    TRAIN = 0
    VALIDATION = 1
    TEST = 2


@dataclass(frozen=True)
class Split:
    """Shares of each labelled period; what is left after both is the test part."""

    train: float = 0.45
    validation: float = 0.15


@dataclass(frozen=True)
class Series:
    """One entity on the grid."""

    entity: str
    values: NDArray[numpy.float32]
    """[rows, metrics], forward filled."""
    observed: Mask
    """[rows]: whether the sample was really there."""
    active: Mask
    """[rows]: whether an incident is under way."""
    labelled_from: int
    """Rows before it carry no labels."""
    first_slot: int = 0
    """Row of the day of the first row."""
    part: Part | None = None
    """A unit that runs to its failure belongs to one part as a whole."""
    reference: NDArray[numpy.float32] | None = None
    """[any, metrics]: rows on which scale and detectors are fitted. Default: what lies before the labels or, where that
    is less than the train part, before the validation part."""
    business: Floats | None = None
    """[rows, 5]: the business numbers, where the layout has them."""


@dataclass(frozen=True)
class Group:
    """Entities that share a layout, and learn from each other."""

    name: str
    layout: Layout
    series: tuple[Series, ...]


@dataclass(frozen=True)
class Episodes:
    """Incidents, targets and parts of one series."""

    series: Series
    layout: Layout
    split: Split = field(default_factory=Split)

    @cached_property
    def incidents(self) -> tuple[Rows, Rows]:
        """First rows of the merged incidents, and the first rows after them."""
        return merged(self.series.active, self.layout.merge)

    @cached_property
    def target(self) -> Mask:
        """[rows]: whether an incident starts in (t, t + H]."""
        return starts_ahead(self.incidents[0], len(self.series.active), self.layout.horizon)

    @cached_property
    def eligible(self) -> Mask:
        """[rows]: observed, labelled, not in an incident or its cool-down, and with a horizon that can be seen."""
        rows = len(self.series.active)
        starts, ends = self.incidents
        asked = self.series.observed.copy()
        asked[: self.series.labelled_from] = False
        for start, end in zip(starts, ends, strict=True):
            asked[start : end + self.layout.merge] = False
        # What happens after the end is not known, unless the series ends in an incident (a run to failure).
        if not (len(ends) and ends[-1] >= rows):
            asked[max(rows - self.layout.horizon, 0) :] = False
        return asked

    @cached_property
    def part(self) -> NDArray[numpy.int8]:
        """[rows] of ``Part``; rows before the labels are embargo too."""
        rows, begin, horizon = len(self.series.active), self.series.labelled_from, self.layout.horizon
        if self.series.part is not None:
            return numpy.full(rows, self.series.part, dtype=numpy.int8)
        part = numpy.full(rows, Part.EMBARGO, dtype=numpy.int8)
        first, second = self._cuts()
        part[begin : max(first - horizon, begin)] = Part.TRAIN
        part[first : max(second - horizon, first)] = Part.VALIDATION
        part[second:] = Part.TEST
        return part

    @property
    def share(self) -> Floats:
        """[rows]: position in the labelled period, from 0 to 1."""
        rows, begin = len(self.series.active), self.series.labelled_from
        return (numpy.arange(rows) - begin) / max(rows - begin, 1)

    @property
    def reference(self) -> NDArray[numpy.float32]:
        """[any, metrics]: the rows of which scale and detectors may know."""
        if self.series.reference is not None:
            return self.series.reference
        begin, cut = self.series.labelled_from, self._cuts()[0]
        until = begin if begin >= cut - begin else cut
        return self.series.values[: max(until, 1)]

    def recorded_until_test(self) -> Series:
        """The series as it would be known if no outcome were recorded any more from the test part on."""
        if self.series.part is not None:
            return self.series
        active = self.series.active.copy()
        active[self._cuts()[1] :] = False
        return replace(self.series, active=active)

    def _cuts(self) -> tuple[int, int]:
        begin, length = self.series.labelled_from, len(self.series.active) - self.series.labelled_from
        split = self.split
        return begin + int(length * split.train), begin + int(length * (split.train + split.validation))


def merged(active: Mask, gap: int) -> tuple[Rows, Rows]:
    """Starts and (exclusive) ends of the runs in *active* [rows]; runs less than *gap* rows apart are one."""
    edges = numpy.diff(numpy.concatenate([[0], active.astype(numpy.int8), [0]]))
    starts, ends = numpy.flatnonzero(edges == 1), numpy.flatnonzero(edges == -1)
    if not len(starts):
        return starts, ends
    apart = starts[1:] - ends[:-1] >= gap
    return starts[numpy.concatenate([[True], apart])], ends[numpy.concatenate([apart, [True]])]


def starts_ahead(starts: Rows, rows: int, horizon: int) -> Mask:
    """[rows]: whether one of *starts* lies in (t, t + *horizon*]."""
    change = numpy.zeros(rows + 1, dtype=numpy.int64)
    numpy.add.at(change, numpy.maximum(starts - horizon, 0), 1)
    numpy.add.at(change, starts, -1)
    return numpy.cumsum(change)[:rows] > 0
