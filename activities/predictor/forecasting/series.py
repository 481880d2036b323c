"""What every forecaster is given and gives back: a regular series, and the next rows of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy
from numpy.typing import NDArray

from models.base import SternwayError

FEWEST_ROWS = 30
"""Below this there is no pattern to speak of, and no error to learn an interval from."""


class SeriesRefused(SternwayError):
    """No forecast can be made of it: too short, constant, or not finite everywhere."""


class ForecasterMissing(SternwayError):
    """The package that a forecaster stands on is not installed; the message names the extra that brings it."""


@dataclass(frozen=True)
class RegularSeries:
    """One metric on a regular grid, without gaps. Raises :class:`SeriesRefused` for what has no forecast."""

    name: str
    """For messages: what it is and of whom."""
    values: NDArray[numpy.float64]
    """[rows], the oldest first."""
    interval_s: int
    """Seconds between rows."""
    period: int
    """Rows a day; 0 where the data knows no day."""

    def __post_init__(self) -> None:
        if self.interval_s <= 0 or self.period < 0:
            raise SeriesRefused(
                f"{self.name}: the interval of {self.interval_s} s or the period of {self.period} rows is impossible; "
                "the interval must be above 0, and the period 0 or more"
            )
        if self.values.ndim != 1 or len(self.values) < FEWEST_ROWS:
            raise SeriesRefused(
                f"{self.name}: {self.values.size} rows are too few for a forecast; wait for {FEWEST_ROWS}"
            )
        wrong = numpy.flatnonzero(~numpy.isfinite(self.values))
        if len(wrong):
            raise SeriesRefused(
                f"{self.name}: row {wrong[0]} is {self.values[wrong[0]]!s}, and {len(wrong) - 1} more are not finite; "
                "fill short gaps forward, and cut the series at long ones"
            )
        if numpy.ptp(self.values) == 0:
            raise SeriesRefused(
                f"{self.name}: all {len(self.values)} rows are {self.values[0]:g}; a constant has no forecast, and its "
                "first change is news for the detectors"
            )

    def __len__(self) -> int:
        return len(self.values)

    def until(self, row: int) -> RegularSeries:
        """What was known before *row*."""
        return RegularSeries(self.name, self.values[:row], self.interval_s, self.period)


class Forecaster(Protocol):
    """Fitting and forecasting are one step: a minute later the past is another, and the old fit is worth nothing."""

    @property
    def name(self) -> str:
        """By which figures and settings call it."""
        ...

    def forecast(self, past: RegularSeries, rows: int) -> NDArray[numpy.float64]:
        """Fit on *past*, and give the next *rows*: [rows]. The same past gives the same forecast.

        Raises :class:`SeriesRefused` where the past is not enough for this forecaster.
        """
        ...


@dataclass(frozen=True)
class Forecast:
    """The next rows with an interval for each. All [rows], in the unit of the series; row 0 is the next."""

    values: NDArray[numpy.float64]
    lower: NDArray[numpy.float64]
    upper: NDArray[numpy.float64]
    coverage: float
    """Share of outcomes that lie within their interval in the long run, each row by itself."""


@dataclass(frozen=True)
class Crossing:
    """How many rows from now a limit is reached (1 is the next row); none: not within the forecast."""

    soonest: int
    """By the upper edge of the interval."""
    expected: int | None
    latest: int | None
    """By the lower edge: it is reached by then with the confidence of the interval."""


def crossing(forecast: Forecast, limit: float) -> Crossing | None:
    """When a metric that does harm above *limit* gets there; none where not even the upper edge does."""
    soonest = _first(forecast.upper >= limit)
    if soonest is None:
        return None
    return Crossing(soonest, _first(forecast.values >= limit), _first(forecast.lower >= limit))


def _first(reached: NDArray[numpy.bool_]) -> int | None:
    return int(reached.argmax()) + 1 if reached.any() else None
