"""Which forecaster to use for a series: the one that would have been best on its past, if any beats the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from activities.predictor.forecasting.conformal import AdaptiveIntervals
from activities.predictor.forecasting.naive import SeasonalNaive
from activities.predictor.forecasting.series import (
    FEWEST_ROWS,
    Forecast,
    Forecaster,
    ForecasterMissing,
    RegularSeries,
    SeriesRefused,
)

ORIGINS = 24
"""Moments of the past at which each is asked."""
BASELINE = SeasonalNaive()


@dataclass(frozen=True)
class Score:
    """Of one forecaster over all origins."""

    name: str
    mae: float
    """Mean absolute error, in the unit of the series; infinite where it refused."""
    mase: float
    """The same in units of the baseline's error (Hyndman & Koehler, *Another look at measures of forecast accuracy*,
    2006); but that of the same forecasts, and not of one row ahead, so that below 1 means better."""
    refused: str = ""
    """Why it could not be asked."""


@dataclass(frozen=True)
class Chosen:
    """The forecaster to use, how all compare, and the errors that it has made."""

    forecaster: Forecaster
    scores: tuple[Score, ...]
    errors: NDArray[numpy.float64]
    """[origins, rows] what was minus what it forecast; the oldest origin first."""

    def forecast(self, past: RegularSeries, coverage: float = 0.9) -> Forecast:
        """The next rows with intervals. Raises :class:`~.series.SeriesRefused` or
        :class:`~.conformal.IntervalRefused`."""
        intervals = AdaptiveIntervals(self.errors.shape[1], coverage)
        for errors in self.errors:
            intervals.observe(errors)
        return intervals.around(self.forecaster.forecast(past, self.errors.shape[1]))


def choose(series: RegularSeries, candidates: Sequence[Forecaster], rows: int, origins: int = ORIGINS) -> Chosen:
    """Compare on the later half of *series* by rolling origins (Tashman, *Out-of-sample tests of forecasting accuracy*,
    2000): each is fitted on what lay before an origin only, and judged by the next *rows*.

    The one with the least mean absolute error is chosen: the baseline, unless another is less. Raises
    :class:`SeriesRefused` where there is no room for the origins.
    """
    first = max(FEWEST_ROWS, len(series) // 2)
    places = numpy.unique(numpy.linspace(first, len(series) - rows, origins).astype(int))
    if places[0] < first or len(places) < origins:
        raise SeriesRefused(
            f"{series.name}: {len(series)} rows have no room for {origins} forecasts of {rows} rows; wait for "
            f"{2 * (rows + origins + FEWEST_ROWS)} rows"
        )
    pasts = [series.until(int(place)) for place in places]
    actual = numpy.stack([series.values[place : place + rows] for place in places])
    baseline = actual - numpy.stack([BASELINE.forecast(past, rows) for past in pasts])
    best, best_errors, scores = BASELINE, baseline, [_score(BASELINE.name, baseline, baseline)]
    for candidate in candidates:
        try:
            errors = actual - numpy.stack([candidate.forecast(past, rows) for past in pasts])
        except (SeriesRefused, ForecasterMissing) as refusal:
            scores.append(Score(candidate.name, float("inf"), float("inf"), str(refusal)))
            continue
        scores.append(_score(candidate.name, errors, baseline))
        if scores[-1].mae < numpy.abs(best_errors).mean():
            best, best_errors = candidate, errors
    return Chosen(best, tuple(scores), best_errors)


def _score(name: str, errors: NDArray[numpy.float64], baseline: NDArray[numpy.float64]) -> Score:
    mae, usual = float(numpy.abs(errors).mean()), float(numpy.abs(baseline).mean())
    if usual == 0.0:
        return Score(name, mae, 1.0 if mae == 0.0 else float("inf"))
    return Score(name, mae, mae / usual)
