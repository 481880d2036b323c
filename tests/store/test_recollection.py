"""What a plan is told of the past: all that the store knows of the service's releases, bounded, and nothing made up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from activities.analytics.store import Store, deployments, holds, journal, points
from activities.analytics.store.recollection import DEPLOYMENTS, FEWEST, HOLDS, RELEASES, percentile_95, recall
from models.hold import STERNWAY
from models.incident import Phase
from models.journal import JournalEntry
from models.recollection import Recollection
from models.survey import Survey
from models.verdict import Finding, Verdict
from tests.store.journal_entries import START, entry, held, started
from tests.store.test_points import LATER, NOW, point
from tests.store.test_told_deployments import event
from workers.conversion import data_converter
from workers.points.lifting import lift


def incident(
    name: str,
    *,
    seconds: float,
    ends: Phase = Phase.RESOLVED,
    strategy: str = "immediate",
    service: str = "payments",
    phases: Sequence[tuple[float, str]] = (),
    paused_at: float | None = None,
) -> list[JournalEntry]:
    """An incident that executes from its tenth second on, and has moved the traffic *seconds* later."""
    contained = START + timedelta(seconds=10 + seconds)
    entries = [
        started(0, incident=name),
        entry("plan", 1, incident=name, hash="abc", strategy=strategy, target="v1", steps=[]),
        *(
            entry("phase", number, incident=name, phase=phase).model_copy(update={"at": START + timedelta(seconds=at)})
            for number, (at, phase) in enumerate([(5, "planning"), (10, "executing"), *phases], 2)
        ),
        *(
            entry("operator", 19, incident=name, action="pause", by="ada", reason="").model_copy(
                update={"at": START + timedelta(seconds=at)}
            )
            for at in [paused_at]
            if at is not None
        ),
        entry("milestone", 20, incident=name, name="contained", at=contained.isoformat()),
        entry("incident-ended", 30, incident=name, phase=ends, sentence=".", strategy=strategy, target="v1"),
    ]
    return [
        one.model_copy(update={"payload": one.payload | {"service": service}})
        if one.kind == "incident-started"
        else one
        for one in entries
    ]


def recalled(store: Store, now: datetime = NOW) -> Recollection:
    return recall(store, "payments", "eu", now)


def test_of_an_empty_store_nothing_is_recalled(store: Store) -> None:
    assert recalled(store) == Recollection()


def test_the_newest_point_of_each_release_that_may_be_chosen(store: Store) -> None:
    kept = [
        points.keep(store, one, NOW + timedelta(days=30))
        for one in (point("v1", 9), point("v1", 1), point("v0", 30), point("v2", 2), point("v3", 3, region="us"))
    ]
    assert kept[3]
    points.note(store, {kept[3].id: Verdict(finding=Finding.FAIL, sentence="it cannot be run")}, LATER)
    found = recalled(store)
    assert [(one.release, one.taken_at) for one in found.points] == [
        ("v1", point("v1", 1).taken_at),
        ("v0", point("v0", 30).taken_at),
    ]
    assert recalled(store, NOW + timedelta(days=8)).points == ()


def test_holds_that_no_person_has_lifted_and_what_delivery_systems_told(store: Store) -> None:
    journal.append(store, [held("v0", incident="G"), held("v1", incident="H"), held("v2")])
    for hold in holds.held(store):
        if hold.release != "v2":
            lift(store, hold, {"v0": "ada", "v1": STERNWAY}[hold.release], "?")
    deployments.record(store, [event("1", "v2", 30)])
    deployments.record(store, [event("2", "v3", 5)])
    found = recalled(store)
    assert {hold.release for hold in found.holds} == {"v2", "v1"}
    assert [one.release for one in found.deployments] == ["v3", "v2"]


def test_a_release_that_is_rolled_away_from_again_and_again_leaves_the_hold_of_another_in_sight(store: Store) -> None:
    journal.append(store, [held("v6", incident="A")])
    for number in range(HOLDS + 1):
        journal.append(store, [held("v7", number, incident=f"B{number:02}")])
    assert [(hold.release, hold.incident) for hold in recalled(store).holds] == [("v7", f"B{HOLDS:02}"), ("v6", "A")]


def test_what_is_recalled_of_a_hundred_services_fits_into_one_message_of_a_workflow(store: Store) -> None:
    """Temporal warns of 512 KiB, and refuses 2 MiB."""
    for number in range(max(RELEASES, HOLDS, DEPLOYMENTS) + 5):
        commit, other = f"{number:040x}", f"{number + 100:040x}"
        journal.append(store, [held(commit, number, incident=str(ULID()))])
        deployments.record(store, [event(str(number), commit, minutes_ago=number)])
        assert points.keep(store, point(other, number), NOW + timedelta(days=30))
    journal.append(store, [one for n in range(FEWEST) for one in incident(f"I{n}", seconds=n + 1 / 3)])
    found = recalled(store)
    assert (len(found.points), len(found.holds), len(found.deployments)) == (RELEASES, HOLDS, DEPLOYMENTS)
    (payload,) = data_converter.payload_converter.to_payloads(
        [Survey(recollections={f"{'s' * 60}{number:03}": found for number in range(100)})]
    )
    assert len(payload.data) < 512 * 1024


def test_how_long_a_strategy_takes_is_not_known_from_a_few(store: Store) -> None:
    journal.append(store, [one for n in range(FEWEST - 1) for one in incident(f"I{n}", seconds=n)])
    assert recalled(store).durations == {}
    journal.append(store, incident("J", seconds=9))
    assert recalled(store).durations == {"immediate": 9}


def test_the_services_own_durations_come_before_those_of_all(store: Store) -> None:
    journal.append(store, [one for n in range(FEWEST) for one in incident(f"L{n}", seconds=50, service="ledger")])
    journal.append(store, incident("P", seconds=1))
    assert recalled(store).durations == {"immediate": 50}
    journal.append(store, [one for n in range(FEWEST) for one in incident(f"P{n}", seconds=3)])
    assert recalled(store).durations == {"immediate": 3}


@pytest.mark.parametrize(
    "waited",
    [
        {"phases": [(11, "held"), (900, "executing")], "seconds": 1000},
        {"paused_at": 11, "seconds": 1000},
        {"ends": Phase.HELD, "seconds": 5},
        {"ends": Phase.ABORTED, "seconds": 5},
    ],
)
def test_a_rollback_that_waited_for_a_person_or_did_not_succeed_says_nothing_of_durations(
    store: Store, waited: dict[str, object]
) -> None:
    journal.append(store, [one for n in range(FEWEST) for one in incident(f"I{n}", **waited)])  # pyright: ignore[reportArgumentType] -- of the table
    assert recalled(store).durations == {}


@given(st.lists(st.floats(0, 1e6), min_size=FEWEST, max_size=200))
def test_of_a_hundred_ninety_five_took_no_longer(durations: list[float]) -> None:
    found = percentile_95(durations)
    assert found in durations
    assert sum(one <= found for one in durations) >= 0.95 * len(durations)
    assert sum(one < found for one in durations) < 0.95 * len(durations)
