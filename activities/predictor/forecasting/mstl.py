"""Daily and weekly season by repeated LOESS, and a damped trend on the rest. Needs the extra ``forecast``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import numpy
from numpy.typing import NDArray

from activities.predictor.forecasting.extras import imported
from activities.predictor.forecasting.series import RegularSeries, SeriesRefused
from activities.predictor.forecasting.trend import damped_trend

MEMORY = 28
"""Days that are looked back at."""

WINDOW = 35
"""Days, or weeks, over which the season is smoothed; odd. Above the memory in days: habits change little within it."""


class _Parts(Protocol):
    seasonal: NDArray[numpy.float64]


@dataclass(frozen=True)
class Mstl:
    """Its season goes on as it last was (Bandara, Hyndman & Bergmeir, *MSTL*, 2021); level and trend of what is left
    are continued as by the other forecasters. Refuses where two whole days are not known."""

    name: str = "mstl"

    def forecast(self, past: RegularSeries, rows: int) -> NDArray[numpy.float64]:
        values = past.values[-MEMORY * past.period :]
        periods = [period for period in (past.period, 7 * past.period) if 1 < period <= len(values) // 2]
        if not periods:
            raise SeriesRefused(
                f"{past.name}: MSTL needs two whole days, and {len(values)} rows of {past.period} a day are known; "
                "wait, or leave it to the other forecasters"
            )
        seasonal = _decompose(values, periods).seasonal.reshape(len(values), -1)
        rest = values - seasonal.sum(axis=1)
        ahead = [numpy.resize(part[-period:], rows) for part, period in zip(seasonal.T, periods, strict=True)]
        return damped_trend(rest, rows) + numpy.sum(ahead, axis=0)


def _decompose(values: NDArray[numpy.float64], periods: list[int]) -> _Parts:
    # What is slower than a day is smoothed at every eighth of one and joined by lines.
    jump = max(1, periods[0] // 8)
    settings = {"seasonal_deg": 0, "trend_jump": jump, "low_pass_jump": jump}
    seasonal = imported("statsmodels.tsa.seasonal")
    windows = [WINDOW] * len(periods)
    return cast(_Parts, seasonal.MSTL(values, periods=periods, windows=windows, stl_kwargs=settings).fit())
