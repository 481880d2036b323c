"""Simple published detectors, by which the scorer is known to be right: their published scores have to come out.

None of them is for use: they know a file's range or length in advance, as their published versions do.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy
from numpy.typing import NDArray

from bench.nab_scorer import SeriesFile

FloatArray = NDArray[numpy.float64]

CHI_SQUARED = 13.276704135987622
"""The 99% quantile with 4 degrees of freedom."""


def null_scores(series: SeriesFile) -> FloatArray:
    """Always the same."""
    return numpy.full(len(series.values), 0.5)


def windowed_gaussian_scores(series: SeriesFile, window: int = 6400, step: int = 100) -> FloatArray:
    """One less the tail of a normal distribution that is fitted to a window, which grows and then moves in steps."""
    values = series.values
    scores = numpy.zeros(len(values))
    begin = 0
    end = 0
    mean, deviation = 0.0, 1.0
    for row, value in enumerate(values):
        if row > 0:
            distance = abs(value - mean) / deviation
            # The published ones went through files with twelve digits, which decides what is 1 and what is less.
            scores[row] = round(1.0 - 0.5 * math.erfc(distance / math.sqrt(2.0)), 12)
        if row < window:
            end = row + 1
        elif row + 1 - end == step:
            begin, end = begin + step, row + 1
        else:
            continue
        mean = float(numpy.mean(values[begin:end]))
        deviation = float(numpy.std(values[begin:end])) or 1e-6
    return scores


def relative_entropy_scores(
    series: SeriesFile, bins: int = 5, window: int = 52, limit: float = CHI_SQUARED
) -> FloatArray:
    """A window whose histogram is like no earlier one, by a multinomial test of fit (Wang et al., ICAC 2011)."""
    values = series.values
    scores = numpy.zeros(len(values))
    low, high = float(values.min()), float(values.max())
    step = (high - low) / bins
    if step == 0.0:
        return scores
    levels = numpy.ceil((values - low) / step)
    hypotheses = numpy.empty((0, bins))
    for row in range(window - 1, len(values)):
        counts, _ = numpy.histogram(levels[row - window + 1 : row + 1], bins=bins, range=(0, bins))
        present = counts / counts.sum()
        if len(hypotheses):
            with numpy.errstate(divide="ignore", invalid="ignore"):
                terms = numpy.where(present > 0, present * numpy.log(present / hypotheses), 0.0)
            if float((2.0 * window * terms.sum(axis=1)).min()) < limit:
                continue
            scores[row] = 1.0
        hypotheses = numpy.vstack([hypotheses, present])
    return scores


PUBLISHED: dict[str, Callable[[SeriesFile], FloatArray]] = {
    "null": null_scores,
    "windowedGaussian": windowed_gaussian_scores,
    "relativeEntropy": relative_entropy_scores,
}
