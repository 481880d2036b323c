"""Where a series goes that has no season left in it: its present level, and a slope where there surely is one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

LEVEL = 0.1
"""Half-life of the level, as a share of the rows that are forecast. Chosen with the rest on half of the series of
``python -m bench.forecast``; between .05 and .25 it hardly matters."""
SLOPE = 0.3
"""Half-life of the slope, likewise: a leak is carried on once it has lasted about as long as it is to be."""
DAMPING = 0.75
"""Of the slope until the last row that is forecast: growth seldom lasts (Gardner & McKenzie, *Forecasting trends in
time series*, 1985)."""
DOUBT = 9.0
"""A slope counts as far as its square exceeds this many times its variance: three standard errors."""


def damped_trend(values: NDArray[numpy.float64], rows: int) -> NDArray[numpy.float64]:
    """The next *rows* of a series without season: [rows].

    Level and slope are those of discounted least squares (Brown, *Smoothing, Forecasting and Prediction*, 1963), in
    closed form. The slope is shrunk like a positive-part James-Stein estimate, so that chance alone makes none: most
    metrics have no trend, and one that is extrapolated in vain costs more than it ever brings.
    """
    level = _discounted_line(values, LEVEL * rows)
    line = _discounted_line(values, SLOPE * rows)
    squared = line.slope * line.slope
    slope = line.slope * max(0.0, 1.0 - DOUBT * line.variance / squared) if squared > 0.0 else 0.0
    # The level is that of some rows ago: the slope brings it up to now.
    return level.centre + slope * (level.age + numpy.cumsum(DAMPING ** (numpy.arange(1.0, rows + 1.0) / rows)))


@dataclass(frozen=True)
class _Line:
    """*centre*: weighted mean, *age*: rows for which that is past; *variance*: of the slope."""

    centre: float
    age: float
    slope: float
    variance: float


def _discounted_line(values: NDArray[numpy.float64], half_life: float) -> _Line:
    count = min(len(values), int(8 * half_life) + 3)
    recent = values[-count:]
    times = numpy.arange(1.0 - count, 1.0)
    weights = 0.5 ** (-times / half_life)
    weights /= weights.sum()
    centre, now = float(weights @ recent), float(weights @ times)
    offsets = times - now
    width = float(weights @ (offsets * offsets))
    slope = float(weights @ (offsets * (recent - centre))) / width
    errors = recent - centre - slope * offsets
    noise = float(weights @ (errors * errors))
    # Errors that follow one another are fewer than they seem; without this every slow wave would be a trend.
    alike = float(weights[1:] @ (errors[1:] * errors[:-1])) / noise if noise > 0.0 else 0.0
    alike = min(max(alike, 0.0), 0.999)
    variance = noise * float((weights * weights) @ (offsets * offsets)) / width**2 * (1 + alike) / (1 - alike)
    return _Line(centre, -now, slope, variance)
