"""Whether the world is still the one that a model was trained on: from its errors, and from what it is shown.

*Errors*: outcome minus probability, where the outcome is known. ADWIN (Bifet & Gavaldà, *Learning from time-changing
data with adaptive windowing*, 2007) rather than Page-Hinkley, because it needs no size of change and no threshold to be
set for each entity: it bounds false detections for whatever is bounded, and errors of probabilities lie in [-1, 1]. It
is also a two-sided test that says since when, and from what to what, which is what a person asks. This is the exact
form of the paper, which tests every cut; a window of bounded size takes the place of its histogram.

*Features*: the population stability index of each between reference and recent rows (Siddiqi, *Credit Risk Scorecards*,
2006). It shows a change before outcomes are known, and one that may do no harm: hence a reason to look, not to retrain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy
from numpy.typing import NDArray

from models.base import SternwayError

CONFIDENCE = 0.05
"""ADWIN's delta: the chance of a false detection that its bound allows for at each cut. The bound is loose: in 2,000
errors without any change there are less than 0.2 false detections (tested)."""
WINDOW = 2000
"""Errors that are looked at: with one an hour, twelve weeks."""
FEWEST = 10
"""Errors on each side of a cut; there is no mean of fewer."""
FURTHEST = 1.0
"""How far an error may be from the mean: probabilities that hold have a mean error of 0, and errors within [-1, 1]."""

BINS = 10
LARGE = 0.25
"""A stability index above this is a large change by custom; .1 to .25 is a moderate one."""
CHANCE = 21.7
"""Over the number of independent rows: what chance alone hardly ever adds to the index. The index times the rows is
distributed as chi-squared with bins - 1 degrees of freedom (Yurdakul, *Statistical properties of population stability
index*, 2018), so it has a mean of 9; this is three standard deviations more."""
FEWEST_ROWS = 200


class DriftUnknown(SternwayError):
    """What was given says nothing about drift: too few, not finite, or no errors of probabilities."""


@dataclass(frozen=True)
class Drift:
    """What has changed, from what to what, and in words how much."""

    what: str
    """``predictions``, or the name of a feature."""
    found_by: Literal["ADWIN", "PSI"]
    size: float
    """ADWIN: by how much the mean error has changed; PSI: the index."""
    before: float
    """Mean error, or median of the feature in the reference."""
    after: float
    rows: int
    """Since how many, or among how many of the latest."""

    @property
    def sentence(self) -> str:
        if self.found_by == "ADWIN":
            return (
                f"{self.what} are {_off(self.after)} on the average since {self.rows} known outcomes, and were "
                f"{_off(self.before)} before"
            )
        return (
            f"{self.what} is spread otherwise than in training: its median is {self.after:.3g} instead of "
            f"{self.before:.3g} in the latest {self.rows} rows (index {self.size:.2f}; above {LARGE} is large)"
        )


def _off(error: float) -> str:
    if abs(error) < 5e-4:
        return "right"
    return f"{abs(error):.1%} too {'low' if error > 0 else 'high'}"


class ErrorWatch:
    """Of the predictions for one entity, or of one model for all.

    Feed it errors that are independent: the targets of neighbouring rows overlap, so one mean error a horizon, and not
    that of each row.
    """

    def __init__(self, confidence: float = CONFIDENCE) -> None:
        self._confidence = confidence
        self._errors: NDArray[numpy.float64] = numpy.empty(0)

    @property
    def known(self) -> int:
        """Errors since the last change."""
        return len(self._errors)

    def observe(self, error: float) -> Drift | None:
        """One more *error*, outcome minus probability. Where the mean has changed, how; what was before is then
        forgotten. Raises :class:`DriftUnknown` where it lies outside [-1, 1], and is then as it was."""
        if not -1.0 <= error <= 1.0:
            raise DriftUnknown(
                f"{error} is not the error of a probability; give the outcome, 0 or 1, minus the probability"
            )
        self._errors = numpy.append(self._errors, error)[-WINDOW:]
        cut = _cut(self._errors, self._confidence)
        if cut is None:
            return None
        before, after = float(self._errors[:cut].mean()), float(self._errors[cut:].mean())
        self._errors = self._errors[cut:]
        return Drift("predictions", "ADWIN", abs(after - before), before, after, len(self._errors))


def _cut(errors: NDArray[numpy.float64], confidence: float) -> int | None:
    """Where the means before and after differ by most beyond what chance allows (theorem 3.1, with the normal
    approximation that its section 3.2 recommends)."""
    count = len(errors)
    if count < 2 * FEWEST:
        return None
    before = numpy.arange(FEWEST, count - FEWEST + 1)
    after = count - before
    sums = numpy.cumsum(errors)
    difference = numpy.abs(sums[before - 1] / before - (sums[-1] - sums[before - 1]) / after)
    harmonic = 1.0 / (1.0 / before + 1.0 / after)
    doubt = math.log(2.0 * math.log(count) / confidence)
    allowed = numpy.sqrt(2.0 / harmonic * errors.var() * doubt) + FURTHEST * 2.0 / (3.0 * harmonic) * doubt
    beyond = difference - allowed
    best = int(beyond.argmax())
    return int(before[best]) if beyond[best] > 0.0 else None


def stability(reference: NDArray[numpy.float64], recent: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    """The population stability index of each feature: [F].

    *reference*: [Q, F] quantiles of training rows at even probabilities; *recent*: [rows, F]. Bins are tenths of the
    reference; values that fill several of them are one, so that a feature that is mostly 0 is judged as well. Let the
    recent rows be whole days, or the time of day is the change. Raises :class:`DriftUnknown`.
    """
    if reference.ndim != 2 or recent.ndim != 2 or reference.shape[1] != recent.shape[1]:
        raise DriftUnknown(
            f"features of {reference.shape} and of {recent.shape} cannot be compared; both need the same columns"
        )
    if len(recent) < FEWEST_ROWS or len(reference) < BINS:
        raise DriftUnknown(
            f"{len(recent)} rows against {len(reference)} quantiles say nothing about drift; wait for {FEWEST_ROWS} "
            f"rows, and keep {BINS} quantiles or more"
        )
    if not (numpy.isfinite(recent).all() and numpy.isfinite(reference).all()):
        raise DriftUnknown("some features are not finite numbers; leave out the rows that were refused for it")
    return numpy.array([_stability(*pair) for pair in zip(reference.T, recent.T, strict=True)])


def _stability(reference: NDArray[numpy.float64], recent: NDArray[numpy.float64]) -> float:
    tenths = numpy.quantile(reference, numpy.arange(1, BINS) / BINS, method="inverted_cdf")
    # Below all that was ever seen is a bin of its own: without it a constant could fall unseen.
    edges = numpy.unique(numpy.append(tenths, numpy.nextafter(reference.min(), -numpy.inf)))
    expected, actual = _shares(reference, edges), _shares(recent, edges)
    return float(((actual - expected) * numpy.log(actual / expected)).sum())


def _shares(values: NDArray[numpy.float64], edges: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    """Of the bins that end with each edge, and of what is above. Half a row is added to each, so that none is empty
    (Jeffreys' prior)."""
    counts = numpy.bincount(numpy.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    smoothed: NDArray[numpy.float64] = counts.astype(numpy.float64) + 0.5
    return numpy.divide(smoothed, smoothed.sum())


def _independent(recent: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    """How many independent rows those of each feature are worth, as if each followed from the last one alone: [F]."""
    offsets = recent - recent.mean(axis=0)
    squares = (offsets * offsets).sum(axis=0)
    alike = (offsets[1:] * offsets[:-1]).sum(axis=0) / numpy.where(squares > 0.0, squares, 1.0)
    alike = numpy.clip(alike, 0.0, 0.999)
    return len(recent) * (1.0 - alike) / (1.0 + alike)


def drifted_features(
    names: tuple[str, ...], reference: NDArray[numpy.float64], recent: NDArray[numpy.float64]
) -> tuple[Drift, ...]:
    """The features whose index is large beyond chance, the largest first. As :func:`stability`; the recent rows in the
    order of time, because a feature that moves slowly has shown little in many rows."""
    indices = stability(reference, recent)
    limits = LARGE + CHANCE / _independent(recent)
    usual, now = numpy.median(reference, axis=0), numpy.median(recent, axis=0)
    order: list[int] = numpy.argsort(-indices, kind="stable").tolist()
    return tuple(
        Drift(names[place], "PSI", float(indices[place]), float(usual[place]), float(now[place]), len(recent))
        for place in order
        if indices[place] > limits[place]
    )
