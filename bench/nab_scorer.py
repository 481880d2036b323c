"""The scorer of the Numenta Anomaly Benchmark (NAB v1.1), written from the published method.

Source: Lavin and Ahmad, *Evaluating Real-time Anomaly Detection Algorithms - the Numenta Anomaly Benchmark*, 2015.
A detector gives each sample an anomaly score, and a sample alarms where that is at least the threshold.

- What comes in the probationary period, 15% of a file and 750 samples at most, never counts.
- In a labelled window only the earliest alarm counts. It earns up to the profile's weight of a hit, falling along a
  sigmoid from the left edge to the right one. A window without an alarm costs the weight of a miss.
- An alarm outside costs up to the weight of a false one: little just after a window, all of it far from one.
- One threshold for all files, in each profile: that with the highest sum. So a score is fitted to the files it is of.
- A detector that never alarms has 0; one that alarms at the left edge of each window, and nowhere else, has 100.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
from numpy.typing import NDArray

PROBATION_FRACTION = 0.15
PROBATION_ROW_LIMIT = 5000
SIGMOID_STEEPNESS = 5.0
FAR_AFTER_WINDOW = 3.0

FloatArray = NDArray[numpy.float64]


@dataclass(frozen=True)
class Profile:
    """What a hit, a miss and a false alarm are worth."""

    name: str
    hit_weight: float
    miss_weight: float
    false_alarm_weight: float


@dataclass(frozen=True)
class SeriesFile:
    """One file, with its labelled windows: numbers of samples, both ends inside."""

    name: str
    timestamps: tuple[str, ...]
    values: FloatArray
    windows: tuple[tuple[int, int], ...]

    @property
    def probation_rows(self) -> int:
        """Samples at the start in which a detector may learn, and no alarm counts."""
        return probation_rows(len(self.values))


@dataclass(frozen=True)
class ProfileScore:
    """Of one detector, with the threshold that gave it."""

    profile: str
    score: float
    raw_score: float
    threshold: float
    windows_found: int
    windows_total: int
    false_alarm_rows: int


def probation_rows(row_count: int) -> int:
    return int(PROBATION_FRACTION * min(row_count, PROBATION_ROW_LIMIT))


def scaled_sigmoid(position: FloatArray) -> FloatArray:
    """About 1 at -1, the left edge of a window; 0 at 0, the right one; -1 far after it."""
    clipped = numpy.minimum(position, FAR_AFTER_WINDOW)
    value = 2.0 / (1.0 + numpy.exp(SIGMOID_STEEPNESS * clipped)) - 1.0
    return numpy.where(position > FAR_AFTER_WINDOW, -1.0, value)


def load_benchmark(folder: Path) -> list[SeriesFile]:
    """The files of a copy of NAB's ``data`` and ``labels``, by name."""
    labels: Mapping[str, Sequence[Sequence[str]]] = json.loads(
        (folder / "labels" / "combined_windows.json").read_text()
    )
    files: list[SeriesFile] = []
    for name in sorted(labels):
        with (folder / "data" / name).open(newline="") as handle:
            rows = list(csv.DictReader(handle))
        timestamps = tuple(row["timestamp"] for row in rows)
        first_row: dict[str, int] = {}
        for index, timestamp in enumerate(timestamps):
            first_row.setdefault(timestamp, index)
        windows = tuple((first_row[start.split(".")[0]], first_row[end.split(".")[0]]) for start, end in labels[name])
        values = numpy.array([float(row["value"]) for row in rows])
        files.append(SeriesFile(name, timestamps, values, windows))
    return files


def load_profiles(folder: Path) -> list[Profile]:
    """The three profiles of a copy of NAB's ``config``."""
    text = (folder / "config" / "profiles.json").read_text()
    profiles: list[Profile] = []
    for name, content in json.loads(text).items():
        cost = content["CostMatrix"]
        profiles.append(Profile(name, cost["tpWeight"], cost["fnWeight"], cost["fpWeight"]))
    return profiles


def row_weights(series: SeriesFile) -> tuple[FloatArray, NDArray[numpy.int64]]:
    """What an alarm at each sample is worth before the profile's weights, and the number of its window, -1 for none.

    In a window that is above 0, up to 1; outside from -1 to 0. The published scorer divides by the length of the window
    inside, and by the distance of its edges outside.
    """
    count = len(series.values)
    rows = numpy.arange(count, dtype=numpy.float64)
    worth = numpy.full(count, -1.0)
    membership = numpy.full(count, -1, dtype=numpy.int64)
    best = float(scaled_sigmoid(numpy.array([-1.0]))[0])
    for number, (start, end) in enumerate(series.windows):
        length = end - start + 1
        inside = slice(start, end + 1)
        after = slice(end + 1, count)
        worth[inside] = scaled_sigmoid(-(end - rows[inside] + 1.0) / length) / best
        membership[inside] = number
        worth[after] = scaled_sigmoid((rows[after] - end) / max(length - 1.0, 1.0))
        membership[after] = -1
    return worth, membership


class Scorer:
    """Of any detector, over *files*; what alarms there are worth is worked out once."""

    def __init__(self, files: Sequence[SeriesFile], profiles: Sequence[Profile]) -> None:
        self.files = list(files)
        self.profiles = list(profiles)
        worths: list[FloatArray] = []
        memberships: list[NDArray[numpy.int64]] = []
        self.window_count = 0
        for series in self.files:
            worth, membership = row_weights(series)
            scored = slice(series.probation_rows, None)
            worths.append(worth[scored])
            memberships.append(numpy.where(membership[scored] >= 0, membership[scored] + self.window_count, -1))
            self.window_count += len(series.windows)
        self._worth = numpy.concatenate(worths)
        self._window = numpy.concatenate(memberships)

    def score(self, scores: Mapping[str, FloatArray]) -> dict[str, ProfileScore]:
        """By profile, with the best threshold for all files. *scores*: a detector's, by file."""
        anomaly = self._flatten(scores)
        order = numpy.argsort(-anomaly, kind="stable")
        return {profile.name: self._score_profile(profile, anomaly[order], order) for profile in self.profiles}

    def score_at(self, scores: Mapping[str, FloatArray], thresholds: Mapping[str, float]) -> dict[str, ProfileScore]:
        """The same with thresholds that come from elsewhere, by profile."""
        anomaly = self._flatten(scores)
        order = numpy.argsort(-anomaly, kind="stable")
        return {
            profile.name: self._score_profile(profile, anomaly[order], order, thresholds[profile.name])
            for profile in self.profiles
        }

    def _flatten(self, scores: Mapping[str, FloatArray]) -> FloatArray:
        parts: list[FloatArray] = []
        for series in self.files:
            values = numpy.asarray(scores[series.name], dtype=numpy.float64)
            if values.shape != series.values.shape:
                raise ValueError(f"{series.name}: one score a row is needed")
            if not numpy.all(numpy.isfinite(values)):
                raise ValueError(f"{series.name}: scores must be finite")
            parts.append(values[series.probation_rows :])
        return numpy.concatenate(parts)

    def _score_profile(
        self,
        profile: Profile,
        sorted_scores: FloatArray,
        order: NDArray[numpy.int64],
        threshold: float | None = None,
    ) -> ProfileScore:
        """The sum at every threshold, from that at which nothing alarms to that at which all does."""
        worth = self._worth[order]
        window = self._window[order]
        outside = window < 0
        change = numpy.where(outside, worth * profile.false_alarm_weight, 0.0)
        found = numpy.zeros(len(order), dtype=numpy.int64)
        for number in range(self.window_count):
            places = numpy.flatnonzero(window == number)
            if not len(places):
                continue
            best = numpy.maximum.accumulate(worth[places]) * profile.hit_weight
            before = numpy.concatenate(([-profile.miss_weight], best[:-1]))
            change[places] = best - before
            found[places[0]] = 1
        start = -profile.miss_weight * self.window_count
        totals = start + numpy.cumsum(change)
        last_of_tie = numpy.append(sorted_scores[1:] != sorted_scores[:-1], True)
        candidates = numpy.flatnonzero(last_of_tie)
        if threshold is None:
            place = int(candidates[numpy.argmax(totals[candidates])])
            raw = float(totals[place])
            if raw <= start:
                place, raw = -1, start
        else:
            place = int(numpy.searchsorted(-sorted_scores, -threshold, side="right")) - 1
            raw = float(totals[place]) if place >= 0 else start
        perfect = profile.hit_weight * self.window_count
        return ProfileScore(
            profile=profile.name,
            score=100.0 * (raw - start) / (perfect - start),
            raw_score=raw,
            threshold=float(sorted_scores[place]) if place >= 0 else float("inf"),
            windows_found=int(found[: place + 1].sum()),
            windows_total=self.window_count,
            false_alarm_rows=int(outside[: place + 1].sum()),
        )
