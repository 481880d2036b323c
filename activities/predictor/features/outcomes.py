"""What has come of an entity so far: its incidents, and its strange rows, which stand in where none was recorded.

Only what is known at a row is used: an incident has started when it is under way for the first time after ``merge``
quiet rows, and how long it was is known when its cool-down has passed, for until then a next one would belong to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from activities.predictor.features.rings import Floats, Indices, gain_of_half_life
from activities.predictor.layout import Layout

HALF_LIVES = (8, 48, 192)
"""Horizons."""
NEVER = -(10**9)
"""Row of what has not been."""
LONGEST = 6.0
"""Logarithm of the horizons after which a thing is as long ago as one that never was."""
REMEMBERED = 32
SPIKE = 2.3
"""Rank: one row in two hundred."""


@dataclass(frozen=True)
class Recorded:
    """The features of a row, and whether something started lately, which is remembered by the slot of the day."""

    features: dict[str, Floats]
    hits: NDArray[numpy.bool_]
    """[n, reaches]: within H, 3H and, of incidents, 8H rows."""


class Incidents:
    """Starts, lengths and recurrence of incidents."""

    def __init__(self, layout: Layout, entities: int) -> None:
        self._layout = layout
        self._reaches: Indices = numpy.array([1, 3, 8]) * layout.horizon
        self._gain = gain_of_half_life(48 * layout.horizon)
        self._decay: Floats = numpy.array(
            [*(1.0 - gain_of_half_life(h * layout.horizon) for h in HALF_LIVES), 1.0 - self._gain]
        )
        # Row of the last start, of the start before it, of the last active row; incidents; the last known length.
        self._rows: Indices = numpy.zeros((entities, 5), dtype=numpy.intp)
        # Starts, decayed with each half-life, and the share of active rows.
        self._sums: Floats = numpy.zeros((entities, len(HALF_LIVES) + 1))
        self._slots: Indices = numpy.zeros((entities, REMEMBERED), dtype=numpy.intp)
        self.forget(numpy.arange(entities))

    def forget(self, which: Indices) -> None:
        """Start anew."""
        self._rows[which] = (NEVER, NEVER, NEVER, 0, 0)
        self._sums[which] = 0.0
        self._slots[which] = -1

    def observe(
        self, which: Indices, rows: Indices, known: Indices, active: NDArray[numpy.bool_], slot: Indices
    ) -> Recorded:
        """*known* rows have outcomes recorded, this one not counted."""
        horizon = self._layout.horizon
        state = self._rows.take(which, axis=0)
        last, before, last_active, count, length = state.T
        quiet = rows - last_active > self._layout.merge
        numpy.copyto(length, last_active + 1 - last, where=quiet & (count > 0))
        start = active & quiet
        numpy.copyto(before, last, where=start)
        numpy.copyto(last, rows, where=start)
        numpy.copyto(last_active, rows, where=active)
        if start.any():
            self._slots[which[start], count[start] % REMEMBERED] = slot[start]
        count += start
        self._rows[which] = state
        sums = self._sums.take(which, axis=0) * self._decay
        sums[:, :-1] += start[:, None]
        sums[:, -1] += self._gain * active
        self._sums[which] = sums
        ages = rows[:, None] - state[:, :3]
        since = numpy.minimum(numpy.log1p(ages / horizon), LONGEST)
        gap = numpy.where(count > 1, numpy.log((ages[:, 0] + 1.0) / (numpy.maximum(last - before, 0) + 1.0)), 0.0)
        return Recorded(
            {
                "since_last_start": since[:, :1],
                "since_last_active": since[:, 2:],
                "incident_rate": ((count + 0.5) / (known / (48 * horizon) + 2))[:, None],
                "starts_8H": sums[:, :1],
                "starts_48H": sums[:, 1:2],
                "starts_192H": sums[:, 2:3],
                "active_share": sums[:, 3:],
                "last_length": numpy.log1p(length / horizon)[:, None],
                "gap_ratio": gap[:, None],
            },
            ages[:, :1] < self._reaches,
        )

    def to_next(self, which: Indices, slot: Indices) -> Floats:
        """Rows (in horizons, log) until the next slot of the day at which a remembered incident started: [n, 1]."""
        remembered, period = self._slots.take(which, axis=0), self._layout.period
        wait = (remembered - slot[:, None]) % period
        wait = numpy.where((remembered < 0) | (wait == 0), period, wait).min(axis=1, keepdims=True)
        return numpy.log1p(wait / self._layout.horizon)


class Spikes:
    """Strange rows after a horizon of quiet ones, and how often they turned out to be incidents."""

    def __init__(self, layout: Layout, entities: int) -> None:
        self._horizon = layout.horizon
        self._patience = layout.horizon // 2
        self._reaches: Indices = numpy.array([1, 3]) * layout.horizon
        self._decay = 1.0 - gain_of_half_life(192 * layout.horizon)
        # Row of the last strange row, of the last spike, of the last active row; spikes confirmed, spikes judged.
        self._rows: Indices = numpy.zeros((entities, 5), dtype=numpy.intp)
        self._rate: Floats = numpy.zeros(entities)
        self.forget(numpy.arange(entities))

    def forget(self, which: Indices) -> None:
        """Start anew."""
        self._rows[which] = (NEVER, NEVER, NEVER, 0, 0)
        self._rate[which] = 0.0

    def forget_judgements(self, which: Indices) -> None:
        """What was judged so far was judged without outcomes."""
        self._rows[which, 3:] = 0

    def observe(self, which: Indices, rows: Indices, strangeness: Floats, active: NDArray[numpy.bool_]) -> Recorded:
        """*strangeness* [n]: mean rank of the detectors that say at once that a row is strange."""
        state = self._rows.take(which, axis=0)
        last_hot, last, last_active, confirmed, judged = state.T
        hot = strangeness > SPIKE
        spike = hot & (rows - last_hot > self._horizon)
        numpy.copyto(last_hot, rows, where=hot)
        numpy.copyto(last, rows, where=spike)
        numpy.copyto(last_active, rows, where=active)
        due = rows - last == self._patience
        judged += due
        confirmed += due & (rows - last_active <= self._patience)
        self._rows[which] = state
        rate = self._rate.take(which, axis=0) * self._decay + spike
        self._rate[which] = rate
        age = (rows - last)[:, None]
        return Recorded(
            {
                "spike_trust": ((confirmed + 0.2) / (judged + 2))[:, None],
                "spike_rate": rate[:, None],
                "since_spike": numpy.minimum(numpy.log1p(age / self._horizon), LONGEST),
            },
            age < self._reaches,
        )
