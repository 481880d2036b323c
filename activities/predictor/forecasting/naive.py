"""The baseline that every forecaster must beat: it was like this yesterday."""

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
