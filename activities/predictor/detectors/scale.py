"""Brings the metrics of an entity to one scale, so that detectors and features can be shared by entities and units.

Median and interquartile range, because the reference rows hold incidents too (Hampel, "The Influence Curve and its Role
in Robust Estimation", JASA 69, 1974).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy
from numpy.typing import NDArray

from models.base import SternwayError

LINEAR = 5.0
"""Widths within which a value is told as it is; beyond, its logarithm is. A leak ends a hundred widths away, and how
far it has come must still be seen; but no single value may outweigh all others."""
FARTHEST = 50.0
"""What no value goes beyond: 40,000 widths come to it."""
NORMAL_QUARTILES = 1.349
"""Distance of the quartiles of a normal distribution, in standard deviations."""
LEAST_SHARE = 0.2
"""Of the standard deviation: the least width, for metrics that rest at one value most of the time."""
CONSTANT = 1e-9
"""Relative width below which a metric has not moved but for rounding."""


class ReferenceRefused(SternwayError):
    """The rows that an entity is to be measured by are none, or are no numbers."""


@dataclass(frozen=True)
class Scale:
    """Of one entity ``[M]``, or stacked for several ``[n, M]``."""

    centre: NDArray[numpy.float64]
    width: NDArray[numpy.float64]
    """Infinite where the metric is constant: whatever it does later, it has no scale to be measured by."""

    @classmethod
    def of(cls, reference: NDArray[numpy.floating]) -> Self:
        """*reference*: ``[rows, M]``. Raises :class:`ReferenceRefused`."""
        if reference.ndim != 2 or not reference.size:
            raise ReferenceRefused(f"the reference has the shape {reference.shape}, where rows of metrics are wanted")
        if not numpy.isfinite(reference).all():
            row, metric = numpy.argwhere(~numpy.isfinite(reference))[0]
            raise ReferenceRefused(
                f"metric {metric} of row {row} of the reference is {reference[row, metric]}: fill what is missing with "
                "the value before it, or leave the row out"
            )
        rows = reference.astype(numpy.float64)
        low, centre, high = numpy.percentile(rows, [25, 50, 75], axis=0)
        width = numpy.maximum((high - low) / NORMAL_QUARTILES, LEAST_SHARE * rows.std(axis=0))
        moved = width > CONSTANT * numpy.maximum(numpy.abs(centre), 1e-6)
        return cls(centre, numpy.where(moved, width, numpy.inf))

    def __call__(self, values: NDArray[numpy.floating]) -> NDArray[numpy.float64]:
        """*values* in widths from the centre, compressed where they are far from it; the same shape, which may be any
        that broadcasts."""
        widths = (values - self.centre) / self.width
        size = numpy.abs(widths)
        far = LINEAR * (1 + numpy.log(numpy.maximum(size, LINEAR) / LINEAR))
        return numpy.copysign(numpy.minimum(numpy.minimum(size, far), FARTHEST), widths)
