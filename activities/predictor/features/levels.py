"""Where metrics are, how they move and spread, and how strange the rows were: against their own windows of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy

from activities.predictor.features.definition import Definition
from activities.predictor.features.rings import Floats, Indices, LapSums, RecentMaxima, SmoothMeans, gain_of_span
from activities.predictor.layout import Layout, Windows

LARGEST_Z = 20.0
STRANGE = 2.0
"""Rank: one row in a hundred."""
BEYOND: Floats = numpy.array([[3.0], [3.0], [1.0]])
BEYOND_NAMES = ("level_beyond_3", "z_beyond_3", "ratio_beyond_1")

DEFINITIONS = (
    Definition("level", "statistical", "widths", "short mean of x", "metric"),
    Definition("level_long", "statistical", "widths", "slow mean of x", "metric"),
    Definition(
        "z_short",
        "statistical",
        "deviations",
        "(short mean - slow mean of x) / (slow deviation of x + 0.1), within +-20",
        "metric",
    ),
    Definition(
        "deviation_ratio",
        "statistical",
        "log ratio",
        "log((deviation of x over half + 0.05) / (slow deviation + 0.05))",
        "metric",
    ),
    Definition("level_abs_mean", "statistical", "widths", "mean over metrics of |level|"),
    Definition("level_abs_max", "statistical", "widths", "max over metrics of |level|", need="several metrics"),
    Definition("level_beyond_3", "statistical", "share", "share of metrics with |level| > 3", need="several metrics"),
    Definition("z_abs_mean", "statistical", "deviations", "mean over metrics of |z_short|"),
    Definition("z_abs_max", "statistical", "deviations", "max over metrics of |z_short|", need="several metrics"),
    Definition("z_beyond_3", "statistical", "share", "share of metrics with |z_short| > 3", need="several metrics"),
    Definition("ratio_abs_mean", "statistical", "log ratio", "mean over metrics of |deviation_ratio|"),
    Definition(
        "ratio_abs_max", "statistical", "log ratio", "max over metrics of |deviation_ratio|", need="several metrics"
    ),
    Definition(
        "ratio_beyond_1",
        "statistical",
        "share",
        "share of metrics with |deviation_ratio| > 1",
        need="several metrics",
    ),
    Definition(
        "slope",
        "time-based",
        "widths",
        "mean of x over half - mean of the half before it; 0 where there is none",
        "metric",
    ),
    Definition(
        "slope_long",
        "time-based",
        "widths",
        "mean of x over 2H - mean of the 2H before them; 0 where there are none",
        "metric",
    ),
    Definition("slope_abs_mean", "time-based", "widths", "mean over metrics of |slope|"),
    Definition("slope_abs_max", "time-based", "widths", "max over metrics of |slope|", need="several metrics"),
    Definition("slope_long_abs_mean", "time-based", "widths", "mean over metrics of |slope_long|"),
    Definition(
        "slope_long_abs_max", "time-based", "widths", "max over metrics of |slope_long|", need="several metrics"
    ),
    Definition("missing_share", "time-based", "share", "slow mean of: the sample was not there"),
    Definition("age", "time-based", "log horizons", "log(1 + t / H), t from the first row", need="no day"),
    Definition(
        "off_opening", "time-based", "widths", "mean of x over half - mean of its first H rows", "metric", "no day"
    ),
    Definition("off_opening_mean", "time-based", "widths", "mean over metrics of |off_opening|", need="no day"),
    Definition("off_opening_max", "time-based", "widths", "max over metrics of |off_opening|", need="no day"),
    Definition("strangeness_short", "statistical", "-log10 share", "short mean of r", "detector"),
    Definition("strangeness_max", "statistical", "-log10 share", "max of r over H", "detector"),
    Definition("strangeness_long", "statistical", "-log10 share", "slow mean of r", "detector"),
    Definition("strangeness_often", "statistical", "share", "slow mean of: r > 2", "detector"),
    Definition("detectors_agreeing", "statistical", "share", "share of detectors whose max of r over H is above 2"),
)


@dataclass(frozen=True)
class Looked:
    """What the windows say of one row, and what others remember of it by the slot of the day."""

    features: dict[str, Floats]
    """By definition: [n, columns]."""
    half: Floats
    """Mean of each metric over half a horizon [n, M]."""
    whole: Floats
    """The same over one horizon."""
    peak: Floats
    """Largest rank of each detector over one horizon [n, D]."""


class Levels:
    """Windows over metrics and over the ranks of detectors."""

    def __init__(self, layout: Layout, entities: int, detectors: int) -> None:
        windows = Windows.of(layout)
        self._horizon = layout.horizon
        self._several = len(layout.metrics) > 1
        self._has_day = layout.period > 0
        spans = (windows.short, windows.horizon, windows.half, windows.double, 2 * windows.half, 2 * windows.double)
        self._spans: Indices = numpy.array(spans)
        metrics = len(layout.metrics)
        self._metrics = metrics
        self._sums = LapSums(entities, spans, 2 * metrics + detectors)
        self._slow = SmoothMeans(entities, gain_of_span(windows.long), 2 * metrics + 2 * detectors + 1)
        self._peaks = RecentMaxima(entities, layout.horizon, detectors)
        self._opening: Floats = numpy.zeros((entities, metrics))

    def forget(self, which: Indices) -> None:
        """Start anew."""
        self._sums.forget(which)
        self._slow.forget(which)
        self._peaks.forget(which)
        self._opening[which] = 0.0

    def observe(self, which: Indices, rows: Indices, scaled: Floats, ranks: Floats, missing: Floats) -> Looked:
        """*scaled* [n, M], *ranks* [n, D], *missing* [n, 1]: 1 where the sample was not there."""
        n, metrics, detectors = len(which), self._metrics, ranks.shape[1]
        now = numpy.concatenate((scaled, scaled * scaled, ranks, ranks > STRANGE, missing), axis=1, dtype=numpy.float64)
        sums = self._sums.observe(which, rows, now[:, : 2 * metrics + detectors])
        slow = self._slow.observe(which, rows, now)
        peak = self._peaks.observe(which, rows, ranks)
        counts = numpy.minimum((rows + 1)[:, None], self._spans)
        means = sums[:, :4] / counts[:, :4, None]
        level, half, level_long = means[:, 0, :metrics], means[:, 2, :metrics], slow[:, :metrics]
        spread = deviations(numpy.concatenate((slow[:, None, : 2 * metrics], means[:, 2:3, : 2 * metrics]), axis=1))
        moves = numpy.empty((n, 5, metrics))
        moves[:, 0] = level
        moves[:, 1] = (level - level_long) / (spread[:, 0] + 0.1)
        numpy.maximum(moves[:, 1], -LARGEST_Z, out=moves[:, 1])
        numpy.minimum(moves[:, 1], LARGEST_Z, out=moves[:, 1])
        spread += 0.05
        moves[:, 2] = numpy.log(spread[:, 1] / spread[:, 0])
        moves[:, 3:] = earlier_difference(sums[:, 2:, :metrics], counts[:, 2:])
        features = {
            "level": level,
            "level_long": level_long,
            "z_short": moves[:, 1],
            "deviation_ratio": moves[:, 2],
            "slope": moves[:, 3],
            "slope_long": moves[:, 4],
            "missing_share": slow[:, -1:],
            "strangeness_short": means[:, 0, 2 * metrics :],
            "strangeness_max": peak,
            "strangeness_long": slow[:, 2 * metrics : 2 * metrics + detectors],
            "strangeness_often": slow[:, 2 * metrics + detectors : -1],
            "detectors_agreeing": (peak > STRANGE).sum(axis=1, keepdims=True) / peak.shape[1],
        }
        features |= self._aggregates(numpy.abs(moves))
        if not self._has_day:
            features |= self._against_opening(which, rows, scaled, half)
        return Looked(features, half, means[:, 1, :metrics], peak)

    def _aggregates(self, size: Floats) -> dict[str, Floats]:
        """Over metrics, of |level, z, ratio, slope, slope_long|: [n, 5, M]."""
        mean = size.sum(axis=2) / self._metrics
        names = ("level", "z", "ratio", "slope", "slope_long")
        features = {f"{name}_abs_mean": mean[:, i : i + 1] for i, name in enumerate(names)}
        if self._several:
            largest = size.max(axis=2)
            features |= {f"{name}_abs_max": largest[:, i : i + 1] for i, name in enumerate(names)}
            beyond = (size[:, :3] > BEYOND).sum(axis=2) / self._metrics
            features |= {name: beyond[:, i : i + 1] for i, name in enumerate(BEYOND_NAMES)}
        return features

    def _against_opening(self, which: Indices, rows: Indices, scaled: Floats, half: Floats) -> dict[str, Floats]:
        """Against the entity's own beginning, where no day is known to compare with."""
        opening = self._opening.take(which, axis=0)
        gain = numpy.where(rows < self._horizon, 1.0 / (rows + 1), 0.0)[:, None]
        opening += gain * (scaled - opening)
        self._opening[which] = opening
        off = half - opening
        size = numpy.abs(off)
        return {
            "age": numpy.log1p(rows / self._horizon)[:, None],
            "off_opening": off,
            "off_opening_mean": size.sum(axis=1, keepdims=True) / self._metrics,
            "off_opening_max": size.max(axis=1, keepdims=True),
        }


def deviations(means: Floats) -> Floats:
    """Standard deviations [n, k, M] from means [n, k, 2 M] of M metrics and then of their squares.

    Rounding may bring the variance of a constant below 0.
    """
    metrics = means.shape[2] // 2
    mean = means[:, :, :metrics]
    return numpy.sqrt(numpy.maximum(means[:, :, metrics:] - mean * mean, 0.0))


def earlier_difference(sums: Floats, counts: Indices) -> Floats:
    """Means over windows W1, W2 less those over the as many rows before them, 0 where there are none.

    *sums* [n, 4, ...] and *counts* [n, 4] are of the last W1, W2, 2 W1 and 2 W2 rows.
    """
    recent, before = sums[:, :2], sums[:, 2:] - sums[:, :2]
    earlier = (counts[:, 2:] - counts[:, :2])[..., None]
    difference = recent / counts[:, :2, None] - before / numpy.maximum(earlier, 1)
    return numpy.where(earlier > 0, difference, 0.0)
