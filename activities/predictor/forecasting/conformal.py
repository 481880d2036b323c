"""Intervals from the errors that a forecaster has made: they hold whatever it is, and adapt where it gets worse.

Split-conformal intervals are exact for exchangeable errors (Vovk, Gammerman & Shafer, *Algorithmic Learning in a Random
World*, 2005). Errors of metrics are not: they grow at noon and after a release. So only the latest are kept, and
the share that is aimed at follows what was covered (Gibbs & Candès, *Adaptive conformal inference under distribution
shift*, 2021), which holds the coverage in the long run.
"""

from __future__ import annotations

import math

import numpy
from numpy.typing import NDArray

from activities.predictor.forecasting.series import Forecast
from models.base import SternwayError

WINDOW = 60
"""Past forecasts whose errors are kept: enough for 95%, and forgotten within three days of hourly ones."""
RATE = 0.02
"""Of the adaptation, for each forecast whose outcome is known."""
ROUNDING = 1e-9
"""What counts as a whole number: .9 / .1 is a little more than 9 in floats."""


class IntervalRefused(SternwayError):
    """Too few errors are known, or kept, for the coverage that was asked."""


class AdaptiveIntervals:
    """Of one metric and forecaster. Each row ahead has its own width: the tenth is less certain than the first."""

    def __init__(self, rows: int, coverage: float = 0.9) -> None:
        if not 0 < coverage <= WINDOW / (WINDOW + 1):
            raise IntervalRefused(
                f"{WINDOW} errors are kept, and give no interval of {coverage:.1%}; ask for 50% to 98%"
            )
        self.coverage = coverage
        self.fewest = math.ceil(coverage / (1 - coverage) - ROUNDING)
        """Forecasts whose errors must be known: with n, the largest covers n of n + 1."""
        self._errors: NDArray[numpy.float64] = numpy.empty((0, rows))
        self._missing: NDArray[numpy.float64] = numpy.full(rows, 1 - coverage)

    @property
    def ready(self) -> bool:
        """Whether enough errors are known."""
        return len(self._errors) >= self.fewest

    def observe(self, errors: NDArray[numpy.float64]) -> None:
        """What actually was minus what was forecast: [rows], of the forecast whose last outcome is now known."""
        if self.ready:
            missed = numpy.abs(errors) > self._widths()
            adapted = self._missing + RATE * ((1 - self.coverage) - missed)
            # Beyond 0 and 1 the widths are the largest and the smallest error anyhow, and the way back would be long.
            self._missing = numpy.clip(adapted, 0.0, 1.0)
        self._errors = numpy.vstack([self._errors, numpy.abs(errors)])[-WINDOW:]

    def around(self, values: NDArray[numpy.float64]) -> Forecast:
        """*values* with their intervals: [rows]. Raises :class:`IntervalRefused`."""
        if not self.ready:
            raise IntervalRefused(
                f"an interval of {self.coverage:.0%} needs the errors of {self.fewest} forecasts, and "
                f"{len(self._errors)} are known; wait for more, or ask for less"
            )
        widths = self._widths()
        return Forecast(values, values - widths, values + widths, self.coverage)

    def _widths(self) -> NDArray[numpy.float64]:
        """[rows]. Where even the largest error is too small for what is aimed at, the largest: an endless interval
        would be right, and of no use."""
        known = len(self._errors)
        ranks = numpy.ceil((1 - self._missing) * (known + 1) - ROUNDING).astype(int)
        places = numpy.clip(ranks, 1, known) - 1
        ordered = numpy.sort(self._errors, axis=0)
        return ordered[places, numpy.arange(ordered.shape[1])]
