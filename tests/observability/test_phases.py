"""Time in phases, told from a journal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from activities.analytics.phases import TimeInPhase, time_in_phases
from activities.analytics.store.journal import Event

BEGAN = datetime(2026, 1, 31, 12, tzinfo=UTC)


def entry(kind: str, after: float, payload: dict[str, Any] | None, source: str = "incident") -> Event:
    at = BEGAN + timedelta(seconds=after)
    return Event(incident="01J", seq=1, source=source, source_seq=1, kind=kind, at=at, payload=payload, hash="0" * 64)


STARTED = entry("incident-started", 0, {"severity": "critical"})
JOURNAL = [
    STARTED,
    entry("phase", 0, {"phase": "protecting"}),
    entry("phase", 2, {"phase": "assessing"}),
    entry("phase", 3, {"phase": "unheard-of"}, source="somebody else"),
    entry("phase", 7, {"phase": "held"}),
    entry("phase", 9, {"phase": "assessing"}),
    entry("phase", 10, {"phase": "aborted"}),
    entry("incident-ended", 10, {}),
]


def test_a_phase_lasts_until_the_next_one_and_the_last_takes_no_time() -> None:
    spent = [("protecting", 2), ("assessing", 5), ("held", 2), ("assessing", 1)]
    assert time_in_phases(JOURNAL) == tuple(
        TimeInPhase(phase=phase, severity="critical", seconds=seconds) for phase, seconds in spent
    )


def test_an_incident_that_has_not_ended_has_no_times_yet() -> None:
    assert time_in_phases(JOURNAL[:-1]) == ()


def test_without_its_beginning_the_severity_is_unknown_and_nothing_is_told() -> None:
    assert time_in_phases(JOURNAL[1:]) == ()
    assert time_in_phases([entry("incident-started", 0, None), *JOURNAL[1:]]) == ()


def test_a_phase_that_was_erased_is_left_out() -> None:
    erased = entry("phase", 2, None)
    assert [time.phase for time in time_in_phases([*JOURNAL[:2], erased, *JOURNAL[3:]])] == [
        "protecting",
        "held",
        "assessing",
    ]
