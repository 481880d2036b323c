"""Statistical detectors that follow an entity: how far each metric is from its own recent past.

A surprise is a metric's distance from its slow mean of the row before, in slow deviations. Three detectors look at it:

- *ewma*: is it on one side for a quarter of a horizon (Roberts, *Control chart tests based on geometric moving
  averages*, 1959). It alarms once: for one horizon after an alarm it rests, and only what is clearly stronger is above
  the limit.
- *cusum*: does it add up in either direction (Page, *Continuous inspection schemes*, 1954)
- *jump*: is it large now

There are no reference rows to rank them against, so their rank is from a bound that holds whatever the distribution:
Chebyshev's, that z deviations or more are seen in at most 1/z**2 of all rows.
"""

from __future__ import annotations

import numpy

from activities.predictor.features.rings import Floats, Indices, gain_of_half_life
from activities.predictor.layout import Layout

NAMES = ("ewma", "cusum", "jump")
LARGEST_SURPRISE = 20.0
FLOOR = 0.1
"""Widths; deviations smaller than this share of the robust width are no scale to measure by."""
DRIFT = 0.5
"""Deviations a row that CUSUM forgives: it finds a shift of twice that the soonest."""
CEILING = 50.0
ALARM = 2.0
"""Rank: one row in a hundred."""
ESCALATION = 0.5
"""Rank by which an alarm must be exceeded to be news: three times as rare."""


class SurpriseDetectors:
    """Their state for each entity."""

    def __init__(self, layout: Layout, entities: int) -> None:
        self._horizon = layout.horizon
        self._slow_gain = gain_of_half_life(8 * layout.horizon)
        self._fast_gain = gain_of_half_life(layout.horizon / 4)
        self._unit = numpy.sqrt(self._fast_gain / (2 - self._fast_gain))
        # Of each metric: slow mean, slow variance, fast mean of the surprise, CUSUM upwards and downwards.
        self._state: Floats = numpy.zeros((entities, 5, len(layout.metrics)))
        # Row and rank of the last alarm.
        self._alarms: Floats = numpy.zeros((entities, 2))
        self.forget(numpy.arange(entities))

    def forget(self, which: Indices) -> None:
        """Start anew: with a mean of 0 and a variance of 1 as if from one row, which is what scaled metrics have."""
        self._state[which] = 0.0
        self._state[which, 1] = 1.0
        self._alarms[which] = (-self._horizon, 0.0)

    def observe(self, which: Indices, rows: Indices, scaled: Floats) -> Floats:
        """The ranks [n, 3], in the order of NAMES."""
        state = self._state.take(which, axis=0)
        mean, variance, fast, cusum = state[:, 0], state[:, 1], state[:, 2], state[:, 3:]
        surprise = (scaled - mean) / (numpy.sqrt(variance) + FLOOR)
        numpy.maximum(surprise, -LARGEST_SURPRISE, out=surprise)
        numpy.minimum(surprise, LARGEST_SURPRISE, out=surprise)
        gain = numpy.maximum(self._slow_gain, 1.0 / (rows + 2))[:, None]
        mean += gain * (scaled - mean)
        variance += gain * ((scaled - mean) ** 2 - variance)
        fast += self._fast_gain * (surprise - fast)
        cusum[:, 0] += surprise
        cusum[:, 1] -= surprise
        cusum -= DRIFT
        numpy.maximum(cusum, 0.0, out=cusum)
        numpy.minimum(cusum, CEILING, out=cusum)
        self._state[which] = state
        ranks = numpy.empty((len(which), 3))
        ranks[:, 0] = numpy.abs(fast).max(axis=1) / self._unit
        ranks[:, 2] = numpy.abs(surprise).max(axis=1)
        numpy.maximum(ranks, 1.0, out=ranks)
        numpy.log10(ranks, out=ranks)
        ranks *= 2.0
        ranks[:, 1] = numpy.log10(1.0 + cusum.max(axis=1)).sum(axis=1) * (2.0 / scaled.shape[1])
        ranks[:, 0] = self._rested(which, rows, ranks[:, 0])
        return ranks

    def _rested(self, which: Indices, rows: Indices, rank: Floats) -> Floats:
        """An alarm silences for a horizon what is not clearly stronger: that is held at the limit."""
        alarms = self._alarms.take(which, axis=0)
        resting = (rows - alarms[:, 0] < self._horizon) & (rank <= alarms[:, 1] + ESCALATION)
        alarm = (rank > ALARM) & ~resting
        if alarm.any():
            self._alarms[which[alarm]] = numpy.stack((rows[alarm], rank[alarm]), axis=1)
        return numpy.minimum(rank, ALARM, out=rank, where=resting)
