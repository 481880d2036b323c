"""What workflows report is recorded in order and once, and the rows of incidents and steps follow."""

from __future__ import annotations

from datetime import timedelta

import pytest

from activities.analytics.store import Store, incidents, journal
from models.incident import Milestone, Pause, Phase
from models.journal import JournalEntry
from models.receipt import Receipt
from models.verdict import Finding
from tests.store.journal_entries import START, ended, entry, started, step


def receipt(key: str, outcome: str, seconds: int) -> Receipt:
    at = START + timedelta(seconds=seconds)
    return Receipt.model_validate(
        {"key": key, "resource": "mesh/eu/payments", "before": {"weight/v1": 0}, "after": {"weight/v1": 100}}
        | {"generation": seconds, "outcome": outcome, "at": at}
    )


def test_entries_come_back_in_order_as_they_were_given(store: Store) -> None:
    given = [started(), entry("assessment", 2, confidence=0.25, text="zero \0 half \ud800 \N{FIRE}"), ended(3)]
    assert journal.append(store, given) == 3
    recorded = journal.events(store, "I")
    assert [event.seq for event in recorded] == [1, 2, 3]
    assert [(event.kind, event.at, event.payload) for event in recorded] == [(e.kind, e.at, e.payload) for e in given]


def test_appending_again_changes_nothing(store: Store) -> None:
    journal.append(store, [started(), entry("alerts", 2, count=3)])
    assert (
        journal.append(store, [entry("alerts", 2, count=3), entry("alerts", 3, count=1), entry("alerts", 3, count=1)])
        == 1
    )
    found = incidents.incident(store, "I")
    assert found is not None
    assert found.alerts == 2 + 3 + 1
    assert len(journal.events(store, "I")) == 3


def test_appending_nothing_is_nothing(store: Store) -> None:
    assert journal.append(store, []) == 0


def test_an_incident_is_open_from_its_start_to_its_end(store: Store) -> None:
    journal.append(store, [started(), entry("phase", 2, phase="held", detail="a region is silent")])
    (open_one,) = incidents.incidents(store, open_only=True)
    assert (open_one.phase, open_one.detail, open_one.ended_at) == (Phase.HELD, "a region is silent", None)
    assert (open_one.service, open_one.region, open_one.received_at) == ("payments", "eu", START)
    journal.append(store, [ended(3)])
    assert incidents.incidents(store, open_only=True) == []
    (closed,) = incidents.incidents(store)
    assert (closed.phase, closed.target, closed.ended_at) == (Phase.RESOLVED, "v1", START + timedelta(seconds=3))
    assert closed.verdict is not None
    assert closed.verdict.finding is Finding.PASS


PAUSED = entry("operator", 2, action="pause", by="ada", reason="a deploy is running")


def pause(store: Store) -> Pause | None:
    found = incidents.incident(store, "I")
    assert found is not None
    return found.paused


def test_a_pause_is_told_with_who_said_so_why_and_since_when(store: Store) -> None:
    journal.append(store, [started(), PAUSED, entry("phase", 3, phase="executing")])
    assert pause(store) == Pause(by="ada", reason="a deploy is running", since=PAUSED.at)
    (listed,) = incidents.incidents(store, open_only=True)
    assert (listed.phase, listed.paused) == (Phase.EXECUTING, pause(store))


@pytest.mark.parametrize(
    "over", [entry("operator", 3, action=word, by="bo") for word in ("resume", "abort")] + [ended(3)]
)
def test_a_pause_is_over_when_somebody_goes_on_or_stops_it_or_the_incident_ends(
    store: Store, over: JournalEntry
) -> None:
    journal.append(store, [started(), PAUSED, over])
    assert pause(store) is None


def test_no_other_word_of_a_person_ends_a_pause(store: Store) -> None:
    journal.append(store, [started(), PAUSED, entry("operator", 3, action="approve", by="bo", stage="payments/retire")])
    assert pause(store) is not None


def test_the_newest_incidents_come_first(store: Store) -> None:
    journal.append(store, [started(incident=name) for name in ("B", "A", "C")])
    assert [found.id for found in incidents.incidents(store, limit=2)] == ["C", "B"]
    assert incidents.incident(store, "unknown") is None


def test_a_milestone_keeps_the_first_time_it_was_reached(store: Store) -> None:
    times = [(START + timedelta(seconds=seconds)).isoformat() for seconds in (1, 2)]
    journal.append(
        store, [started(), *(entry("milestone", 2 + i, name="planned", at=at) for i, at in enumerate(times))]
    )
    found = incidents.incident(store, "I")
    assert found is not None
    assert found.milestones[Milestone.PLANNED] == START + timedelta(seconds=1)


def test_a_plan_and_a_verdict_are_kept_with_what_else_they_say(store: Store) -> None:
    plan = {"hash": "abc", "strategy": "immediate", "target": "v1", "preview": ["weights to v1"], "rejected": []}
    verdict = {"stage": "soak", "finding": "inconclusive", "sentence": "3 requests", "evidence": []}
    journal.append(store, [started(), entry("plan", 2, **plan), entry("verdict", 3, **verdict)])
    found = incidents.incident(store, "I")
    assert found is not None
    assert (found.plan, found.strategy, found.target) == (plan, "immediate", "v1")
    assert found.verdict is not None
    assert found.verdict.finding is Finding.INCONCLUSIVE


def test_steps_stand_as_last_reported_in_the_order_of_their_first_report(store: Store) -> None:
    journal.append(store, [started(), step(1, "scale", "registered"), step(2, "route", "registered")])
    journal.append(store, [step(3, "route", "failed"), step(4, "scale", "undone")])
    assert [(s.record.step, s.record.status) for s in incidents.steps(store, "I")] == [
        ("scale", "undone"),
        ("route", "failed"),
    ]


def test_the_same_step_of_two_services_is_two_steps(store: Store) -> None:
    journal.append(
        store, [step(1, "route", "done", source="rollback:a"), step(1, "route", "undone", source="rollback:b")]
    )
    assert [(s.source, s.record.status) for s in incidents.steps(store, "I")] == [
        ("rollback:a", "done"),
        ("rollback:b", "undone"),
    ]


def test_a_step_has_the_receipts_of_its_change_and_of_its_undoing(store: Store) -> None:
    done, undone = receipt("I:route:do:1", "applied", 1), receipt("I:route:undo:1", "restored", 2)
    kept = [
        entry("receipt", number, source="rollback:payments", step="route", receipt=one.model_dump(mode="json"))
        for number, one in ((2, done), (3, undone))
    ]
    journal.append(store, [step(1, "route", "undone"), *kept])
    (found,) = incidents.steps(store, "I")
    assert found.receipts == (done, undone)


def test_a_child_workflow_may_report_before_its_parent(store: Store) -> None:
    journal.append(
        store, [step(1, "route", "done"), entry("verdict", 2, source="child", finding="pass", sentence="ok")]
    )
    assert incidents.incident(store, "I") is None
    journal.append(store, [started()])
    found = incidents.incident(store, "I")
    assert found is not None
    assert found.verdict is not None
    assert [s.record.step for s in incidents.steps(store, "I")] == ["route"]


def test_an_entry_that_no_row_can_follow_is_recorded_and_holds_up_nothing(store: Store) -> None:
    odd = entry("phase", 2, phase="dancing")
    assert journal.append(store, [started(), odd, entry("phase", 3, phase="planning")]) == 3
    assert journal.events(store, "I")[1].payload == {"phase": "dancing"}
    found = incidents.incident(store, "I")
    assert found is not None
    assert found.phase is Phase.PLANNING


def test_a_source_that_numbers_anew_does_not_overwrite_what_it_said(store: Store) -> None:
    journal.append(store, [started(), entry("phase", 2, phase="planning")])
    assert journal.append(store, [entry("phase", 2, phase="planning"), entry("operator", 2, action="abort")]) == 0
    assert [event.kind for event in journal.events(store, "I")] == ["incident-started", "phase"]
