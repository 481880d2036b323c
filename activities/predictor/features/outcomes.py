"""What has come of an entity so far: its incidents, and its strange rows, which stand in where none was recorded.

Only what is known at a row is used: an incident has started when it is under way for the first time after ``merge``
quiet rows, and how long it was is known when its cool-down has passed, for until then a next one would belong to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from activities.predictor.features.definition import Definition
from activities.predictor.features.rings import Floats, Indices, gain_of_half_life
from activities.predictor.layout import Layout

HALF_LIVES = (8, 48, 192)
"""Horizons."""
NEVER = -1e9
"""Row of what has not been."""
LONGEST = 6.0
"""Logarithm of the horizons after which a thing is as long ago as one that never was."""
REMEMBERED = 32
SPIKE = 2.3
"""Rank: one row in two hundred."""

DEFINITIONS = (
    Definition(
        "since_last_start", "time-based", "log horizons", "log(1 + rows since the last incident started / H), at most 6"
    ),
    Definition(
        "since_last_active",
        "time-based",
        "log horizons",
        "log(1 + rows since an incident was under way / H), at most 6",
    ),
    Definition(
        "incident_rate",
        "time-based",
        "incidents per 48H",
        "(incidents + 0.5) / (rows since outcomes are recorded / 48H + 2)",
    ),
    Definition("starts_8H", "time-based", "incidents", "sum over incidents of 0.5 ^ (rows since its start / 8H)"),
    Definition("starts_48H", "time-based", "incidents", "sum over incidents of 0.5 ^ (rows since its start / 48H)"),
    Definition("starts_192H", "time-based", "incidents", "sum over incidents of 0.5 ^ (rows since its start / 192H)"),
    Definition(
        "active_share",
        "time-based",
        "share",
        "exponential mean with half-life 48H of: an incident is under way; 0 at first",
    ),
    Definition(
        "last_length",
        "time-based",
        "log horizons",
        "log(1 + length / H) of the last incident whose cool-down has passed, at most 6; 0 where there is none",
    ),
    Definition(
        "gap_ratio",
        "time-based",
        "log ratio",
        "log((rows since the last start + 1) / (rows between the last two starts + 1)); 0 before the second",
    ),
    Definition(
        "to_next_seasonal",
        "seasonal",
        "log horizons",
        "log(1 + rows to the next slot of the day at which one of the last 32 incidents started / H); a day if none",
        need="day",
    ),
    Definition(
        "spike_trust",
        "statistical",
        "share",
        "(spikes with an incident under way within H/2 of them + 0.2) / (spikes judged, H/2 after each, + 2), since"
        " outcomes are recorded; a spike: mean of r over robust_z, isolation_forest, jump above 2.3 after H rows below",
    ),
    Definition("spike_rate", "statistical", "spikes", "sum over spikes of 0.5 ^ (rows since / 192H)"),
    Definition("since_spike", "time-based", "log horizons", "log(1 + rows since the last spike / H), at most 6"),
)


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
        self._reaches: Floats = numpy.array([1.0, 3.0, 8.0]) * layout.horizon
        self._gain = gain_of_half_life(48 * layout.horizon)
        self._decay: Floats = numpy.array(
            [*(1.0 - gain_of_half_life(h * layout.horizon) for h in HALF_LIVES), 1.0 - self._gain]
        )
        # Row of the last start, of the last active row; the last known length, rows between the last two starts; count.
        self._state: Floats = numpy.zeros((entities, 5))
        # Starts, decayed with each half-life, and the share of active rows.
        self._sums: Floats = numpy.zeros((entities, len(HALF_LIVES) + 1))
        self._slots: Indices = numpy.zeros((entities, REMEMBERED), dtype=numpy.intp)
        self.forget(numpy.arange(entities))

    def forget(self, which: Indices) -> None:
        """Start anew. An incident that never was had no length."""
        self._state[which] = (NEVER + 1, NEVER, 0.0, 0.0, 0.0)
        self._sums[which] = 0.0
        self._slots[which] = -1

    def observe(
        self, which: Indices, rows: Indices, known: Indices, active: NDArray[numpy.bool_], slot: Indices
    ) -> Recorded:
        """*known* rows have outcomes recorded, this one not counted."""
        horizon = self._layout.horizon
        state, sums = self._state.take(which, axis=0), self._sums.take(which, axis=0)
        quiet = rows - state[:, 1] > self._layout.merge
        numpy.copyto(state[:, 2], state[:, 1] + 1.0 - state[:, 0], where=quiet)
        sums *= self._decay
        if active.any():
            start = active & quiet
            self._slots[which[start], state[start, 4].astype(numpy.intp) % REMEMBERED] = slot[start]
            state[start, 3] = numpy.where(state[start, 4] > 0, rows[start] - state[start, 0], 0.0)
            state[start, 0] = rows[start]
            state[start, 4] += 1.0
            state[active, 1] = rows[active]
            sums[start, :-1] += 1.0
            sums[active, -1] += self._gain
        self._state[which] = state
        self._sums[which] = sums
        count, gap = state[:, 4:], state[:, 3:4]
        since = state[:, :3]
        numpy.subtract(rows[:, None], since[:, :2], out=since[:, :2])
        recent = since[:, :1] < self._reaches
        ratio = numpy.log((since[:, :1] + 1.0) / (gap + 1.0)) * (gap > 0)
        logs = numpy.minimum(numpy.log1p(since / horizon), LONGEST)
        return Recorded(
            {
                "since_last_start": logs[:, :1],
                "since_last_active": logs[:, 1:2],
                "incident_rate": (count + 0.5) / (known[:, None] / (48 * horizon) + 2.0),
                "starts_8H": sums[:, :1],
                "starts_48H": sums[:, 1:2],
                "starts_192H": sums[:, 2:3],
                "active_share": sums[:, 3:],
                "last_length": logs[:, 2:],
                "gap_ratio": ratio,
            },
            recent,
        )

    def to_next(self, which: Indices, slot: Indices) -> Floats:
        """Rows (in horizons, log) until the next slot of the day at which a remembered incident started: [n, 1]."""
        remembered, period = self._slots.take(which, axis=0), self._layout.period
        wait = (remembered - slot[:, None] - 1) % period + 1
        numpy.copyto(wait, period, where=remembered < 0)
        return numpy.log1p(wait.min(axis=1, keepdims=True) / self._layout.horizon)


class Spikes:
    """Strange rows after a horizon of quiet ones, and how often they turned out to be incidents."""

    def __init__(self, layout: Layout, entities: int) -> None:
        self._horizon = layout.horizon
        self._patience = layout.horizon // 2
        self._reaches: Floats = numpy.array([1.0, 3.0]) * layout.horizon
        self._decay = 1.0 - gain_of_half_life(192 * layout.horizon)
        # Row of the last spike, of the last strange row, of the last active row; spikes confirmed, judged, decayed.
        self._state: Floats = numpy.zeros((entities, 6))
        self.forget(numpy.arange(entities))

    def forget(self, which: Indices) -> None:
        """Start anew."""
        self._state[which] = (NEVER, NEVER, NEVER, 0.0, 0.0, 0.0)

    def forget_judgements(self, which: Indices) -> None:
        """What was judged so far was judged without outcomes."""
        self._state[which, 3:5] = 0.0

    def observe(self, which: Indices, rows: Indices, strangeness: Floats, active: NDArray[numpy.bool_]) -> Recorded:
        """*strangeness* [n]: mean rank of the detectors that say at once that a row is strange."""
        state = self._state.take(which, axis=0)
        state[:, 5] *= self._decay
        hot = strangeness > SPIKE
        if hot.any():
            spike = hot & (rows - state[:, 1] > self._horizon)
            state[spike, 0] = rows[spike]
            state[spike, 5] += 1.0
            state[hot, 1] = rows[hot]
        numpy.copyto(state[:, 2], rows, where=active)
        age = rows[:, None] - state[:, :1]
        due = age[:, 0] == self._patience
        if due.any():
            state[due, 3] += rows[due] - state[due, 2] <= self._patience
            state[due, 4] += 1.0
        self._state[which] = state
        return Recorded(
            {
                "spike_trust": (state[:, 3:4] + 0.2) / (state[:, 4:5] + 2.0),
                "spike_rate": state[:, 5:],
                "since_spike": numpy.minimum(numpy.log1p(age / self._horizon), LONGEST),
            },
            age < self._reaches,
        )
