"""Whether metrics still move together as they used to: correlations of span 2H against those of span 16H."""

from __future__ import annotations

import numpy

from activities.predictor.features.rings import Floats, Indices, gain_of_span
from activities.predictor.layout import Layout

FLOOR = 1e-3
"""Squared widths; below this a covariance is rounding, and a constant metric correlates with nothing."""


class Correlations:
    """Two exponential second moments of all pairs of metrics.

    The moments of an entity in one line: of each metric its mean, its square, its product with the mean of all; and of
    each pair of different metrics their product.
    """

    def __init__(self, layout: Layout, entities: int) -> None:
        metrics = len(layout.metrics)
        self._metrics = metrics
        self._gains: Floats = numpy.array([gain_of_span(2 * layout.horizon), gain_of_span(16 * layout.horizon)])
        self._one, self._other = numpy.triu_indices(metrics, 1)
        number = numpy.zeros((metrics, metrics), dtype=numpy.intp)
        number[self._one, self._other] = number[self._other, self._one] = numpy.arange(len(self._one))
        self._pairs_of: Indices = number[~numpy.eye(metrics, dtype=bool)].reshape(metrics, metrics - 1)
        self._moments: Floats = numpy.zeros((entities, 2, 3 * metrics + len(self._one)))

    def forget(self, which: Indices) -> None:
        """Start anew."""
        self._moments[which] = 0.0

    def observe(self, which: Indices, rows: Indices, scaled: Floats) -> dict[str, Floats]:
        """The features, by definition."""
        metrics, pairs = self._metrics, len(self._one)
        moments = self._observed(which, rows, scaled)
        mean, square, with_all = (moments[:, :, i * metrics : (i + 1) * metrics] for i in range(3))
        variance = numpy.maximum(square - mean * mean, 0.0)
        width = numpy.sqrt(variance)
        # The covariance with the mean of all; its own mean over metrics is the variance of that mean.
        with_all = with_all - mean * (mean.sum(axis=2, keepdims=True) / metrics)
        width_of_all = numpy.sqrt(numpy.maximum(with_all.sum(axis=2, keepdims=True) / metrics, 0.0))
        cohesion = numpy.abs(with_all / (width * width_of_all + FLOOR)).sum(axis=2) / metrics
        one, other = self._one, self._other
        correlation = moments[:, :, 3 * metrics :] - mean[:, :, one] * mean[:, :, other]
        correlation /= width[:, :, one] * width[:, :, other] + FLOOR
        alone = variance / (variance + FLOOR)
        trace = alone.sum(axis=2)
        squares = (alone * alone).sum(axis=2) + 2.0 * (correlation * correlation).sum(axis=2)
        concentration = squares / numpy.maximum(trace * trace, FLOOR)
        change = numpy.abs(correlation[:, 0] - correlation[:, 1])
        parting = change[:, self._pairs_of].sum(axis=2) / (metrics - 1)
        return {
            "cohesion": cohesion[:, :1],
            "cohesion_change": cohesion[:, :1] - cohesion[:, 1:],
            "correlation_size": numpy.abs(correlation[:, 0]).sum(axis=1, keepdims=True) / pairs,
            "correlation_change": parting,
            "correlation_change_mean": parting.sum(axis=1, keepdims=True) / metrics,
            "correlation_change_max": change.max(axis=1, keepdims=True),
            "parting_max": parting.max(axis=1, keepdims=True),
            "concentration": concentration[:, :1],
            "concentration_change": concentration[:, :1] - concentration[:, 1:],
        }

    def _observed(self, which: Indices, rows: Indices, scaled: Floats) -> Floats:
        """The moments of span 2H and of span 16H: [n, 2, ...]."""
        with_all = scaled * (scaled.sum(axis=1, keepdims=True) / self._metrics)
        products = scaled[:, self._one] * scaled[:, self._other]
        now = numpy.concatenate((scaled, scaled * scaled, with_all, products), axis=1)
        moments = self._moments[which]
        step = now[:, None] - moments
        step *= numpy.maximum(self._gains, 1.0 / (rows + 1)[:, None])[:, :, None]
        moments += step
        self._moments[which] = moments
        return moments
