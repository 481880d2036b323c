"""Whether metrics still move together as they used to: correlations of span 2H against those of span 16H."""

from __future__ import annotations

import numpy

from activities.predictor.features.rings import Floats, Indices, gain_of_span
from activities.predictor.layout import Layout

FLOOR = 1e-3
"""Squared widths; below this a covariance is rounding, and a constant metric correlates with nothing."""


class Correlations:
    """Two exponential second moments of all pairs of metrics."""

    def __init__(self, layout: Layout, entities: int) -> None:
        metrics = len(layout.metrics)
        self._gains: Floats = numpy.array([gain_of_span(2 * layout.horizon), gain_of_span(16 * layout.horizon)])
        self._means: Floats = numpy.zeros((entities, 2, metrics))
        self._products: Floats = numpy.zeros((entities, 2, metrics, metrics))
        self._pairs: Floats = 1.0 - numpy.eye(metrics)

    def forget(self, which: Indices) -> None:
        """Start anew."""
        self._means[which] = 0.0
        self._products[which] = 0.0

    def observe(self, which: Indices, rows: Indices, scaled: Floats) -> dict[str, Floats]:
        """The features, by definition."""
        covariance = self._covariance(which, rows, scaled)
        n, metrics = scaled.shape
        variance = covariance.reshape(n, 2, -1)[:, :, :: metrics + 1]
        width = numpy.sqrt(numpy.maximum(variance, 0.0))
        with_all = covariance.mean(axis=3)
        width_of_all = numpy.sqrt(numpy.maximum(with_all.mean(axis=2, keepdims=True), 0.0))
        cohesion = numpy.abs(with_all / (width * width_of_all + FLOOR)).mean(axis=2)
        covariance /= width[:, :, :, None] * width[:, :, None, :] + FLOOR
        whole = covariance.reshape(n, 2, -1)
        trace = whole[:, :, :: metrics + 1].sum(axis=2)
        concentration = (whole * whole).sum(axis=2) / numpy.maximum(trace * trace, FLOOR)
        change = numpy.abs(covariance[:, 0] - covariance[:, 1])
        change *= self._pairs
        parting = change.sum(axis=2) / (metrics - 1)
        size = (numpy.abs(covariance[:, 0]) * self._pairs).reshape(n, -1).sum(axis=1, keepdims=True)
        return {
            "cohesion": cohesion[:, :1],
            "cohesion_change": cohesion[:, :1] - cohesion[:, 1:],
            "correlation_size": size / (metrics * (metrics - 1)),
            "correlation_change": parting,
            "correlation_change_mean": parting.mean(axis=1, keepdims=True),
            "correlation_change_max": change.reshape(n, -1).max(axis=1, keepdims=True),
            "parting_max": parting.max(axis=1, keepdims=True),
            "concentration": concentration[:, :1],
            "concentration_change": concentration[:, :1] - concentration[:, 1:],
        }

    def _covariance(self, which: Indices, rows: Indices, scaled: Floats) -> Floats:
        """Of span 2H and of span 16H: [n, 2, M, M]."""
        gain = numpy.maximum(self._gains, 1.0 / (rows + 1)[:, None])[:, :, None]
        means, products = self._means[which], self._products[which]
        means += gain * (scaled[:, None] - means)
        products += gain[..., None] * ((scaled[:, :, None] * scaled[:, None, :])[:, None] - products)
        self._means[which], self._products[which] = means, products
        return products - means[:, :, :, None] * means[:, :, None, :]
