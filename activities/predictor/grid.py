"""Samples come when they come, and models want rows at regular distances: the grid that one entity's are laid on. Pure.

A row is an interval of the clock. It is laid with the first sample that lies in it, and what is laid is never changed:
a second one in the same row, or a late one, is refused and counted, and what it tells is lost. Rows that got no sample
(a restarted source, a lost answer) are laid too, as unobserved, with the values before them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from models.base import SternwayError

DAY_SECONDS: Final = 86_400
LONGEST_GAP_SECONDS: Final = DAY_SECONDS
"""A longer silence, or a jump of the clock by more, ends what was known of the entity: it starts anew."""


class NotOnTheGrid(SternwayError):
    """An interval that divides no day, or a sample for a row that was laid already."""


@dataclass(frozen=True, slots=True)
class Row:
    """One interval of one entity."""

    number: int
    """Intervals since 1970."""
    slot: int
    """Which of the day's (UTC)."""
    values: tuple[float, ...]
    """By metric; what is unknown has the value of the row before."""
    observed: bool
    """Whether there was a sample."""
    anew: bool = False
    """Whether the entity starts with it: what was remembered of it before is void."""


class Grid:
    """Of one entity. It begins with the first sample that knows all metrics, because nothing is before it to go on."""

    def __init__(self, interval_s: int) -> None:
        """*interval_s*: seconds between rows. Raises :class:`NotOnTheGrid`."""
        if interval_s <= 0 or DAY_SECONDS % interval_s:
            raise NotOnTheGrid(
                f"an interval of {interval_s} s does not divide the day, so rows would have another time each day; "
                "choose one that does, for example 60"
            )
        self.refused = 0
        """Samples that came too late."""
        self._interval = interval_s
        self._last: Row | None = None
        self._sampled = 0
        """The last row that had a sample."""

    def lay(self, at: datetime, values: Sequence[float | None]) -> tuple[Row, ...]:
        """The row of a sample, after those that stayed without one. *values*: its metrics, always in the same order;
        none where one is unknown. Raises :class:`NotOnTheGrid` for what is late."""
        number = self._number(at)
        self._forget_if_far(number)
        last = self._last
        if last is None:
            return self._begin(number, values)
        if number <= last.number:
            self.refused += 1
            raise NotOnTheGrid(
                f"the sample of {at.isoformat()} is for row {number}, and row {last.number} is laid already; it is "
                f"left out: take one in {self._interval} s"
            )
        silent = self._silence(last, number)
        known = tuple(before if now is None else now for before, now in zip(last.values, values, strict=True))
        return (*silent, self._observe(number, known))

    def advance(self, now: datetime) -> tuple[Row, ...]:
        """The rows that were over by *now* without a sample. A sample that is still under way for one of them will be
        refused, so *now* is to lie behind the clock by as much as samples may be late."""
        number = self._number(now)
        self._forget_if_far(number)
        if self._last is None:
            return ()
        silent = self._silence(self._last, number)
        self._last = silent[-1] if silent else self._last
        return silent

    def _begin(self, number: int, values: Sequence[float | None]) -> tuple[Row, ...]:
        known = tuple(value for value in values if value is not None)
        if len(known) < len(values):
            return ()
        return (self._observe(number, known, anew=True),)

    def _observe(self, number: int, values: tuple[float, ...], anew: bool = False) -> Row:
        self._last, self._sampled = self._row(number, values, observed=True, anew=anew), number
        return self._last

    def _silence(self, last: Row, until: int) -> tuple[Row, ...]:
        return tuple(self._row(number, last.values, observed=False) for number in range(last.number + 1, until))

    def _forget_if_far(self, number: int) -> None:
        if abs(number - self._sampled) * self._interval > LONGEST_GAP_SECONDS:
            self._last = None

    def _row(self, number: int, values: tuple[float, ...], observed: bool, anew: bool = False) -> Row:
        return Row(number, number % (DAY_SECONDS // self._interval), values, observed, anew)

    def _number(self, at: datetime) -> int:
        return math.floor(at.timestamp() / self._interval)
