"""How long an incident spent in each phase, told from its journal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from activities.analytics.store.journal import Event
from models.base import Frozen

STARTED, PHASE, ENDED = "incident-started", "phase", "incident-ended"


class TimeInPhase(Frozen):
    phase: str
    severity: str
    seconds: float


def time_in_phases(journal: Sequence[Event]) -> tuple[TimeInPhase, ...]:
    """One for each time that a phase was entered and left, in order; none where the journal has no beginning or end.

    The phase that an incident ends in takes no time. What was erased from the journal is left out.
    """
    started = next((event for event in journal if event.kind == STARTED and event.payload), None)
    if started is None or started.payload is None or not any(event.kind == ENDED for event in journal):
        return ()
    severity = str(started.payload["severity"])
    entered = [event for event in journal if event.kind == PHASE and event.source == started.source]
    return tuple(
        TimeInPhase(phase=str(event.payload["phase"]), severity=severity, seconds=(left.at - event.at).total_seconds())
        for event, left in pairwise(entered)
        if event.payload
    )
