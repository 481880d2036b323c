"""What takes no thought: it was like this yesterday, the baseline that all must beat; and it is like this now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from activities.predictor.forecasting.series import RegularSeries


@dataclass(frozen=True)
class SeasonalNaive:
    """Each row is as it was a day before; where no day is known, as the last (Hyndman & Athanasopoulos, *Forecasting:
    Principles and Practice*, 3rd edition, section 5.2)."""

    name: str = "seasonal naive"

    def forecast(self, past: RegularSeries, rows: int) -> NDArray[numpy.float64]:
        season = past.period if 0 < past.period <= len(past) else 1
        return numpy.resize(past.values[-season:], rows)


@dataclass(frozen=True)
class LastValue:
    """Each row is as the last: hard to beat for the next few where a metric wanders."""

    name: str = "last value"

    def forecast(self, past: RegularSeries, rows: int) -> NDArray[numpy.float64]:
        return numpy.repeat(past.values[-1], rows)
