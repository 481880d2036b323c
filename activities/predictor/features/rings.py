"""Memories of many entities that take one row at a time: the leading axis is the entity, and ``which`` picks the rows.

What is running here cannot drift however long it runs: sums start anew with each lap of their ring, and exponential
means forget their rounding as they forget everything else.
"""

from __future__ import annotations

import numpy
from numpy.typing import NDArray

Floats = NDArray[numpy.float64]
Indices = NDArray[numpy.intp]
"""Which entities, or how many rows an entity had before this one; shape [n]."""


class LapSums:
    """Sums of channels over the last rows, for several windows at once.

    A ring of sums that are cumulative within one lap of the ring. A window that reaches into the lap before adds that
    lap's total, which is in the last place of the ring until this lap ends there. Before the first row all was 0.
    """

    def __init__(self, entities: int, windows: tuple[int, ...], channels: int) -> None:
        self._length = max(windows) + 1
        self._windows: Indices = numpy.array(windows, dtype=numpy.intp)
        self._sums: Floats = numpy.zeros((entities * self._length, channels))

    def forget(self, which: Indices) -> None:
        """Start anew."""
        self._sums.reshape(-1, self._length, self._sums.shape[1])[which] = 0.0

    def observe(self, which: Indices, rows: Indices, values: Floats) -> Floats:
        """Take *values* [n, channels] in; the sums over each window that ends here: [n, windows, channels]."""
        length = self._length
        place = rows % length
        base = which * length
        now = self._sums.take(base + numpy.maximum(place - 1, 0), axis=0)
        now *= place[:, None] > 0
        now += values
        self._sums[base + place] = now
        then = place[:, None] - self._windows
        before = self._sums.take(base[:, None] + then % length, axis=0)
        lap = self._sums.take(base + length - 1, axis=0)
        return now[:, None] - before + (then < 0)[:, :, None] * lap[:, None]


class RecentMaxima:
    """The largest value of each channel over the last rows; before the first row all was 0, and none is below it."""

    def __init__(self, entities: int, window: int, channels: int) -> None:
        self._values: Floats = numpy.zeros((entities, window, channels))

    def forget(self, which: Indices) -> None:
        """Start anew."""
        self._values[which] = 0.0

    def observe(self, which: Indices, rows: Indices, values: Floats) -> Floats:
        """Take *values* [n, channels] in; the maxima [n, channels]."""
        self._values[which, rows % self._values.shape[1]] = values
        return self._values.take(which, axis=0).max(axis=1)


class SmoothMeans:
    """Exponential means that are plain means until there are enough rows to forget: the newest row weighs
    max(gain, 1 / rows)."""

    def __init__(self, entities: int, gain: float, *shape: int) -> None:
        self._gain = gain
        self._means: Floats = numpy.zeros((entities, *shape))

    def forget(self, which: Indices) -> None:
        """Start anew."""
        self._means[which] = 0.0

    def observe(self, which: Indices, rows: Indices, values: Floats) -> Floats:
        """Take *values* [n, ...] in; the means [n, ...]."""
        means = self._means.take(which, axis=0)
        gain = numpy.maximum(self._gain, 1.0 / (rows + 1)).reshape(-1, *(1,) * (values.ndim - 1))
        means += gain * (values - means)
        self._means[which] = means
        return means


def gain_of_span(rows: int) -> float:
    """Of the exponential mean whose weights are as old on the average as those of a plain mean over *rows*."""
    return 2.0 / (rows + 1)


def gain_of_half_life(rows: float) -> float:
    """Of the exponential mean that has forgotten half after *rows*."""
    return 1.0 - 0.5 ** (1.0 / rows)


class SlotMemory:
    """What each slot of the day (or of the hour) was like on the days before, in single precision.

    Each channel is a line new = keep * old + gain * value: an exponential mean over days (1 - a, a), a count (1, 1) or
    the latest day alone (0, 1). The first day of a slot is taken as it is; of a slot without a day all is 0. The last
    channel is the memory's own: how many days it has seen.
    To read a slot *ahead* of the present one is to see what came next on earlier days, without seeing the future.
    """

    def __init__(self, entities: int, slots: int, keep: Floats, gain: Floats) -> None:
        self._slots = slots
        self._keep = numpy.append(keep, 1.0)
        self._gain = numpy.append(gain, 1.0)
        self._memory: NDArray[numpy.float32] = numpy.zeros((entities * slots, len(keep) + 1), numpy.float32)

    def forget(self, which: Indices) -> None:
        """Start anew."""
        self._memory.reshape(-1, self._slots, len(self._keep))[which] = 0.0

    def observe(self, which: Indices, slot: Indices, values: Floats) -> Floats:
        """Take *values* [n, channels + 1], of which the last is 1, in; what the slot remembered before."""
        place = which * self._slots + slot
        before = self._memory.take(place, axis=0).astype(numpy.float64)
        after = self._keep * before + self._gain * values
        self._memory[place] = numpy.where(before[:, -1:] > 0, after, values)
        return before

    def ahead(self, which: Indices, slots: Indices) -> Floats:
        """What the slots [n, k] of this day or the next remember: [n, k, channels + 1]."""
        return self._memory.take(which[:, None] * self._slots + slots % self._slots, axis=0).astype(numpy.float64)
