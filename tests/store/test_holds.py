"""A release that was rolled away from is held until somebody lifts that, and the journal proves both."""

from __future__ import annotations

from activities.analytics.store import Store, audit, holds, journal
from models.hold import STERNWAY
from tests.store.journal_entries import START, ended, entry, held, started
from workers.points.lifting import lift


def test_a_hold_is_in_force_since_it_was_recorded_however_often_that_is_sent(store: Store) -> None:
    recorded = held("v2", 3)
    assert [journal.append(store, [recorded]) for _ in range(2)] == [1, 0]
    (hold,) = holds.held(store, "payments", "eu")
    assert (hold.release, hold.since, hold.incident, hold.by) == ("v2", recorded.at, "I", "Sternway")
    assert holds.held(store, "payments", "us") == holds.held(store, "ledger", "eu") == []


def test_another_source_that_holds_it_for_the_same_incident_changes_nothing(store: Store) -> None:
    journal.append(store, [held("v2", 3)])
    journal.append(store, [held("v2", 9).model_copy(update={"source": "the rollback, begun again"})])
    assert [hold.since for hold in holds.held(store)] == [held("v2", 3).at]


def test_who_lifted_it_and_why_is_in_the_row_and_in_the_chain_of_the_incident(store: Store) -> None:
    journal.append(store, [started(), held("v2", 2), ended(3)])
    (hold,) = holds.held(store)
    lift(store, hold, "ada", "the provider was at fault")
    assert holds.held(store) == []
    (lifted,) = holds.holds(store)
    assert (lifted.lifted_by, lifted.lifted_reason) == ("ada", "the provider was at fault")
    last = journal.events(store, "I")[-1]
    assert (last.kind, last.payload and last.payload["by"]) == ("hold-lifted", "ada")
    assert audit.verify(store).broken == ()


def test_what_is_lifted_is_not_lifted_again(store: Store) -> None:
    journal.append(store, [held("v2")])
    (hold,) = holds.held(store)
    lift(store, hold, "ada", "first")
    lift(store, hold, "bob", "second")
    (lifted,) = holds.holds(store)
    assert lifted.lifted_by == "ada"


def test_what_a_newer_release_has_ended_stands_until_a_person_lifts_it(store: Store) -> None:
    journal.append(store, [held("v2")])
    (hold,) = holds.held(store)
    lift(store, hold, STERNWAY, "v3 was deployed")
    lift(store, hold, STERNWAY, "v4 was deployed")
    assert holds.held(store) == []
    (ended,) = holds.standing(store, "payments", "eu")
    assert (ended.stands, ended.lifted_reason) == (True, "v3 was deployed")
    lift(store, ended, "ada", "the provider was at fault")
    assert holds.standing(store) == []
    (lifted,) = holds.holds(store)
    assert (lifted.stands, lifted.lifted_by) == (False, "ada")


def test_each_incident_has_its_own_hold_and_a_word_about_another_lifts_none(store: Store) -> None:
    journal.append(store, [held("v2", incident="I"), held("v2", 2, incident="II")])
    journal.append(store, [entry("hold-lifted", 5, incident="III", service="payments", region="eu", release="v2",
                                 by="ada", reason="?")])  # fmt: skip
    assert [(hold.incident, hold.since > START) for hold in holds.held(store)] == [("II", True), ("I", True)]
