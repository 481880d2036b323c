"""Daily and weekly waves by ridge regression in closed form, and a damped trend on what they leave.

Needs numpy only and some milliseconds, so that it is the one forecaster for the runtime. That the season of a metric is
a short Fourier series is the idea of Taylor & Letham (*Forecasting at scale*, 2018); the ridge keeps the waves of noise
small (Hoerl & Kennard, *Ridge regression*, 1970).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from activities.predictor.forecasting.series import RegularSeries
from activities.predictor.forecasting.trend import damped_trend

DAILY = 6
"""Waves a day at most: the fastest that is followed lasts four hours."""
WEEKLY = 21
"""Waves a week at most, up to three a day: a weekend differs from a working day in its daily shape as well."""
RIDGES = (0.03, 0.3, 3.0)
"""Penalties to choose from, as shares of a row: a wave that is really there keeps .94, .63 or .14 of its height."""
MEMORY = 28
"""Days that are looked back at: habits of users are younger, and the cost is bounded."""


@dataclass(frozen=True)
class FourierRidge:
    """The season by waves, from three days on (of the week: from fifteen), with the level and the trend of today."""

    name: str = "fourier ridge"

    def forecast(self, past: RegularSeries, rows: int) -> NDArray[numpy.float64]:
        values = past.values[-MEMORY * past.period :]
        known = len(values)
        season = _season(values, past.period, rows)
        return season[known:] + damped_trend(values - season[:known], rows)


def _season(values: NDArray[numpy.float64], period: int, rows: int) -> NDArray[numpy.float64]:
    """Of the known and of the next rows, up to a constant: [len(values) + rows].

    How much of it to believe, the last day says: the penalty is that under which the days before foretell best how far
    the metric moves within *rows*. None at all, where that is no better than to say that it does not move.
    """
    known, fitted = len(values), len(values) - period
    waves = _waves(fitted, period)
    flat = numpy.zeros(known + rows)
    if not len(waves):
        return flat
    angles = numpy.outer(numpy.arange(known + rows), 2 * numpy.pi * waves)
    columns = numpy.hstack([numpy.cos(angles), numpy.sin(angles)])
    ahead = min(rows, period)
    moved = values[fitted:] - values[fitted - ahead : known - ahead]
    best, error = None, float(numpy.abs(moved).mean())
    for ridge, heights in zip(RIDGES, _heights(columns[:fitted], values[:fitted]), strict=True):
        season = columns[fitted - ahead : known] @ heights
        missed = float(numpy.abs(moved - (season[ahead:] - season[:-ahead])).mean())
        if missed < error:
            best, error = ridge, missed
    if best is None:
        return flat
    return columns @ _heights(columns[:known], values, (best,))[0]


def _heights(
    columns: NDArray[numpy.float64], values: NDArray[numpy.float64], ridges: tuple[float, ...] = RIDGES
) -> list[NDArray[numpy.float64]]:
    """Of the waves under each penalty."""
    gram, target = columns.T @ columns, columns.T @ (values - values.mean())
    penalty = len(values) * numpy.eye(len(gram))
    return [numpy.linalg.solve(gram + ridge * penalty, target) for ridge in ridges]


def _waves(known: int, period: int) -> NDArray[numpy.float64]:
    """Frequencies, in waves a row, that *known* rows can tell."""
    if period == 0 or known < 2 * period:
        return numpy.empty(0)
    daily = numpy.arange(1, min(DAILY, (period - 1) // 2) + 1)
    if known < 14 * period:
        return daily / period
    weekly = numpy.arange(1, WEEKLY + 1)
    return numpy.union1d(weekly, 7 * daily) / (7 * period)
