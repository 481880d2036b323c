"""Prophet behind the interface of the others. Needs the extra ``prophet`` (MIT, with a compiled Stan model)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from activities.predictor.forecasting.extras import imported
from activities.predictor.forecasting.series import RegularSeries, SeriesRefused

DAY_SECONDS = 86_400
DAILY, WEEKLY = 6, 10
"""Waves of the season."""


@dataclass(frozen=True)
class Prophet:
    """Piecewise trend and waves (Taylor & Letham, *Forecasting at scale*, 2018). A second a fit: only offline. It is
    imported when it is first asked, and raises :class:`ForecasterMissing` where it is not installed."""

    name: str = "prophet"

    def forecast(self, past: RegularSeries, rows: int) -> NDArray[numpy.float64]:
        frame = imported("pandas").DataFrame
        model, stamps = _model(past), _stamps(len(past), rows, past.interval_s)
        model.fit(frame({"ds": stamps[: len(past)], "y": past.values}))
        found = model.predict(frame({"ds": stamps[len(past) :]}))
        values: NDArray[numpy.float64] = found["yhat"].to_numpy(dtype=float)
        if not numpy.isfinite(values).all():
            raise SeriesRefused(f"{past.name}: Prophet found no fit; leave it to the other forecasters")
        return values


def _model(past: RegularSeries) -> Any:
    prophet = imported("prophet")
    logging.getLogger("cmdstanpy").setLevel(logging.WARNING)
    model = prophet.Prophet(
        daily_seasonality=False, weekly_seasonality=False, yearly_seasonality=False, uncertainty_samples=0
    )
    if past.period and len(past) >= 2 * past.period:
        days = past.period * past.interval_s / DAY_SECONDS
        model.add_seasonality("day", days, DAILY)
        if len(past) >= 14 * past.period:
            model.add_seasonality("week", 7 * days, WEEKLY)
    return model


def _stamps(known: int, rows: int, interval_s: int) -> NDArray[numpy.datetime64]:
    """Any beginning will do: the season's phase is learned, and no holidays are."""
    start = numpy.datetime64("2001-01-01T00:00:00", "ns")
    return start + numpy.arange(known + rows) * numpy.timedelta64(interval_s, "s")
