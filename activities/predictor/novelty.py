"""How far one metric is from everything that it has been: a streaming anomaly detector. Pure, and only backwards.

Each sample is looked at in three views, and each view remembers the contexts that it has met. The novelty of a sample
in a view is its distance from the nearest of them, in units of the range that was seen so far:

- *level*: the value, and its mean over the last four (spikes, steps, values between two known regimes)
- *spread*: the standard deviation of the last 64 (bursts, silence, flat lines)
- *day*: the short mean against that of a day earlier (a peak that is missing or doubled)

To count how rare a value is makes long quiet series alarm about trifles. A distance in units of the seen range answers
to what a person would see on a chart. The memory is leader clustering with a fixed vigilance (Hartigan, *Clustering
Algorithms*, 1975, chapter 3): what resembles a known context is not news, and what does not becomes one, so that the
same thing alarms once. How well it does, and how much of that may be believed, ``python -m bench.nab`` says.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from models.base import SternwayError

DAY_SECONDS = 86_400.0
RESOLUTION = 1e-9
"""Differences smaller than this share of the largest value seen are rounding, and no news."""


class SampleRefused(SternwayError):
    """It cannot be judged: not a finite number, or earlier than the one before."""


@dataclass(frozen=True)
class NoveltySettings:
    """The one configuration for all metrics."""

    vigilance: float = 0.05
    """Share of the seen range within which two contexts are the same: about what can be seen on a chart."""
    range_decay: float = 3e-4
    """Share of the seen range that is forgotten with each sample, so that one huge spike does not blind it for ever:
    half after 2,300 samples, eight days at five minutes."""
    capacity: int = 256
    """Contexts that a view keeps; the one that was not met for longest makes room. A bound that is rarely reached."""
    warm_up: int = 100
    """Samples that a view must have seen before it may speak."""
    short: int = 4
    """Samples of the short mean: the fewest that tell a lasting step from one odd sample."""
    spread: int = 64
    """Samples over which the spread is measured."""
    rest: int = 150
    """Samples for which an alarm silences what is not clearly stronger: half a day at five minutes."""
    escalation: float = 1.5
    """How much stronger that must be."""


class SeenRange:
    """Lowest and highest value seen, slowly forgetting."""

    __slots__ = ("_decay", "_high", "_low")

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._low = math.inf
        self._high = -math.inf

    @property
    def width(self) -> float:
        """0 where nothing was seen."""
        return max(self._high - self._low, 0.0)

    def observe(self, value: float) -> None:
        """Forget a little, then take *value* in."""
        forgotten = self.width * self._decay
        self._high = max(value, self._high - forgotten)
        self._low = min(value, self._low + forgotten)


class ContextMemory:
    """The known contexts of one view: leader clustering by mean absolute distance."""

    __slots__ = ("_capacity", "_count", "_decay", "_points", "_range", "_rows", "_used", "_vigilance", "_warm_up")

    def __init__(self, dimensions: int, settings: NoveltySettings) -> None:
        self._points: NDArray[numpy.float64] = numpy.empty((dimensions, settings.capacity))
        self._used: NDArray[numpy.int64] = numpy.zeros(settings.capacity, dtype=numpy.int64)
        self._range = SeenRange(settings.range_decay)
        self._capacity = settings.capacity
        self._vigilance = settings.vigilance
        self._warm_up = settings.warm_up
        self._count = 0
        self._rows = 0

    def observe(self, context: tuple[float, ...], yardstick: float, resolution: float) -> float:
        """Novelty in vigilances, 0 where the context is known; then it is. The range that was seen of *yardstick* is
        the unit of distance, and a distance below *resolution* is none."""
        novelty = 0.0
        count = self._count
        if count:
            points = self._points
            distances = numpy.abs(points[0, :count] - context[0])
            for dimension in range(1, len(context)):
                distances += numpy.abs(points[dimension, :count] - context[dimension])
            nearest = int(distances.argmin())
            distance = float(distances[nearest]) / len(context)
            if distance > resolution:
                width = self._range.width
                # A series that never moved has no range; then any change is as wide as it.
                novelty = distance / (width if width > resolution else distance) / self._vigilance
            if novelty <= 1.0:
                self._used[nearest] = self._rows
        if not count or novelty > 1.0:
            self._learn(context)
        speaks = self._rows >= self._warm_up and novelty > 1.0
        self._range.observe(yardstick)
        self._rows += 1
        return novelty if speaks else 0.0

    def _learn(self, context: tuple[float, ...]) -> None:
        if self._count < self._capacity:
            place = self._count
            self._count += 1
        else:
            place = int(self._used.argmin())
        self._points[:, place] = context
        self._used[place] = self._rows


class SlidingSpread:
    """Standard deviation of the last samples; the sums are made anew once a window, against the drift of floats."""

    __slots__ = ("_anchor", "_next", "_ring", "_size", "_square", "_sum")

    def __init__(self, size: int) -> None:
        self._ring: list[float] = []
        self._size = size
        self._next = 0
        self._anchor = 0.0
        self._sum = 0.0
        self._square = 0.0

    def observe(self, value: float) -> float:
        """With one more."""
        if len(self._ring) < self._size:
            self._ring.append(value)
            self._rebuild()
        else:
            old = self._ring[self._next] - self._anchor
            new = value - self._anchor
            self._ring[self._next] = value
            self._next = (self._next + 1) % self._size
            self._sum += new - old
            self._square += new * new - old * old
            if self._next == 0:
                self._rebuild()
        count = len(self._ring)
        mean = self._sum / count
        return math.sqrt(max(self._square / count - mean * mean, 0.0))

    def _rebuild(self) -> None:
        self._anchor = sum(self._ring) / len(self._ring)
        differences = [value - self._anchor for value in self._ring]
        self._sum = sum(differences)
        self._square = sum(difference * difference for difference in differences)


class DayAgo:
    """What was a day earlier; none where there is a gap."""

    __slots__ = ("_latest", "_queue")

    _TOLERANCE = 0.1

    def __init__(self) -> None:
        self._queue: deque[tuple[float, float]] = deque()
        self._latest: tuple[float, float] | None = None

    def observe(self, seconds: float, value: float) -> float | None:
        """Remember *value*, and tell that of a day before."""
        self._queue.append((seconds, value))
        due = seconds - DAY_SECONDS
        while self._queue[0][0] <= due:
            self._latest = self._queue.popleft()
        if self._latest is None or due - self._latest[0] > self._TOLERANCE * DAY_SECONDS:
            return None
        return self._latest[1]


class RestRule:
    """One trouble alarms once: nothing passes that is not clearly stronger than what has passed of late."""

    __slots__ = ("_escalation", "_recent", "_rest", "_row")

    def __init__(self, rest: int, escalation: float) -> None:
        self._rest = rest
        self._escalation = escalation
        self._recent: deque[tuple[int, float]] = deque()
        self._row = 0

    def observe(self, score: float) -> float:
        """*score* where it passes, else 0."""
        recent = self._recent
        while recent and recent[0][0] < self._row - self._rest:
            recent.popleft()
        passed = 0.0
        # What is let through only ever rises within the rest, so the last entry is the highest.
        if score > 0.0 and (not recent or score > self._escalation * recent[-1][1]):
            passed = score
            recent.append((self._row, score))
        self._row += 1
        return passed


class NoveltyDetector:
    """Of one metric, sample by sample."""

    def __init__(self, settings: NoveltySettings | None = None) -> None:
        self.settings = settings or NoveltySettings()
        self._level = ContextMemory(2, self.settings)
        self._spread = ContextMemory(1, self.settings)
        self._day = ContextMemory(1, self.settings)
        self._deviation = SlidingSpread(self.settings.spread)
        self._yesterday = DayAgo()
        self._rest = RestRule(self.settings.rest, self.settings.escalation)
        self._short: deque[float] = deque(maxlen=self.settings.short)
        self._last_seconds = -math.inf
        self._largest = 0.0
        self.novelty: dict[str, float] = {}
        """Of the latest sample, in each view: the explanation of an alarm."""

    def observe(self, seconds: float, value: float) -> float:
        """How new a sample is, in vigilances: 0 where it is known, or an alarm of late was about as strong; else above
        1. *seconds*: when it was, since any fixed moment. Raises :class:`SampleRefused`, and is then as it was."""
        if not (math.isfinite(value) and math.isfinite(seconds)):
            raise SampleRefused(f"the sample {value!r} at {seconds!r} is not a finite number")
        if seconds < self._last_seconds:
            raise SampleRefused(f"the sample at {seconds!r} is earlier than the one before, at {self._last_seconds!r}")
        self._last_seconds = seconds
        self._largest = max(self._largest, abs(value))
        resolution = RESOLUTION * self._largest
        self._short.append(value)
        short_mean = sum(self._short) / len(self._short)
        deviation = self._deviation.observe(value)
        yesterday = self._yesterday.observe(seconds, short_mean)
        self.novelty = {
            "level": self._level.observe((value, short_mean), value, resolution),
            "spread": self._spread.observe((deviation,), deviation, resolution),
            "day": 0.0,
        }
        if yesterday is not None:
            difference = short_mean - yesterday
            self.novelty["day"] = self._day.observe((difference,), difference, resolution)
        return self._rest.observe(max(self.novelty.values()))
