"""Whether metrics still move together as they used to: correlations of span 2H against those of span 16H."""

from __future__ import annotations

import numpy

from activities.predictor.features.definition import Definition
from activities.predictor.features.rings import Floats, Indices, gain_of_span
from activities.predictor.layout import Layout

FLOOR = 1e-3
"""Squared widths; below this a covariance is rounding, and a constant metric correlates with nothing."""

DEFINITIONS = (
    Definition(
        "cohesion",
        "correlation",
        "correlation",
        "mean over metrics of |correlation of x with the mean of all metrics|, span 2H",
        need="several metrics",
    ),
    Definition(
        "cohesion_change", "correlation", "correlation", "cohesion - the same with span 16H", need="several metrics"
    ),
    Definition(
        "correlation_size",
        "correlation",
        "correlation",
        "mean over pairs of metrics of |correlation|, span 2H",
        need="several metrics",
    ),
    Definition(
        "correlation_change",
        "correlation",
        "correlation",
        "mean over the other metrics of |correlation with them, span 2H - span 16H|",
        "metric",
        "several metrics",
    ),
    Definition(
        "correlation_change_mean",
        "correlation",
        "correlation",
        "mean over metrics of correlation_change",
        need="several metrics",
    ),
    Definition(
        "correlation_change_max",
        "correlation",
        "correlation",
        "the pair of metrics with the largest |correlation, span 2H - span 16H|",
        need="several metrics",
    ),
    Definition(
        "parting_max",
        "correlation",
        "correlation",
        "max over metrics of correlation_change: one metric that parts from all",
        need="several metrics",
    ),
    Definition(
        "concentration",
        "correlation",
        "share",
        "sum of squares / square of the sum of the eigenvalues of the correlation matrix, span 2H:"
        " 1 where all variance lies in one direction",
        need="several metrics",
    ),
    Definition(
        "concentration_change", "correlation", "share", "concentration - the same with span 16H", need="several metrics"
    ),
)


class Correlations:
    """Two exponential covariances of all pairs of metrics.

    The covariances of an entity in one line: of each metric with itself, of each with the mean of all, and of each pair
    of different metrics. They are updated about the mean of the row before (West, *Updating mean and variance
    estimates*, 1979), so that nothing large is subtracted from something large.
    """

    def __init__(self, layout: Layout, entities: int) -> None:
        metrics = len(layout.metrics)
        self._metrics = metrics
        self._gains: Floats = numpy.array([gain_of_span(2 * layout.horizon), gain_of_span(16 * layout.horizon)])
        self._one, self._other = numpy.triu_indices(metrics, 1)
        number = numpy.zeros((metrics, metrics), dtype=numpy.intp)
        number[self._one, self._other] = number[self._other, self._one] = numpy.arange(len(self._one))
        self._pairs_of: Indices = number[~numpy.eye(metrics, dtype=bool)].reshape(metrics, metrics - 1)
        self._means: Floats = numpy.zeros((entities, 2, metrics))
        self._covariances: Floats = numpy.zeros((entities, 2, 2 * metrics + len(self._one)))

    def forget(self, which: Indices) -> None:
        """Start anew."""
        self._means[which] = 0.0
        self._covariances[which] = 0.0

    def observe(self, which: Indices, rows: Indices, scaled: Floats) -> dict[str, Floats]:
        """The features, by definition."""
        metrics, one, other = self._metrics, self._one, self._other
        covariances = self._observed(which, rows, scaled)
        variance, with_all, pairs = (
            covariances[:, :, :metrics],
            covariances[:, :, metrics : 2 * metrics],
            covariances[:, :, 2 * metrics :],
        )
        width = numpy.sqrt(variance)
        width_of_all = numpy.sqrt(numpy.maximum(with_all.sum(axis=2, keepdims=True) / metrics, 0.0))
        cohesion = numpy.abs(with_all / (width * width_of_all + FLOOR)).sum(axis=2) / metrics
        correlation = pairs / (width.take(one, axis=2) * width.take(other, axis=2) + FLOOR)
        alone = variance / (variance + FLOOR)
        trace = alone.sum(axis=2)
        squares = (alone * alone).sum(axis=2) + 2.0 * (correlation * correlation).sum(axis=2)
        concentration = squares / numpy.maximum(trace * trace, FLOOR)
        change = numpy.abs(correlation[:, 0] - correlation[:, 1])
        parting = change.take(self._pairs_of, axis=1).sum(axis=2) / (metrics - 1)
        return {
            "cohesion": cohesion[:, :1],
            "cohesion_change": cohesion[:, :1] - cohesion[:, 1:],
            "correlation_size": numpy.abs(correlation[:, 0]).sum(axis=1, keepdims=True) / len(one),
            "correlation_change": parting,
            "correlation_change_mean": parting.sum(axis=1, keepdims=True) / metrics,
            "correlation_change_max": change.max(axis=1, keepdims=True),
            "parting_max": parting.max(axis=1, keepdims=True),
            "concentration": concentration[:, :1],
            "concentration_change": concentration[:, :1] - concentration[:, 1:],
        }

    def _observed(self, which: Indices, rows: Indices, scaled: Floats) -> Floats:
        """The covariances of span 2H and of span 16H: [n, 2, ...]."""
        gain = numpy.maximum(self._gains, 1.0 / (rows + 1)[:, None])[:, :, None]
        means, covariances = self._means.take(which, axis=0), self._covariances.take(which, axis=0)
        off = scaled[:, None] - means
        self._means[which] = means + gain * off
        with_all = off * (off.sum(axis=2, keepdims=True) / self._metrics)
        pairs = off.take(self._one, axis=2) * off.take(self._other, axis=2)
        products = numpy.concatenate((off * off, with_all, pairs), axis=2)
        products *= gain
        covariances += products
        covariances *= 1.0 - gain
        self._covariances[which] = covariances
        return covariances
