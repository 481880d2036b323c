"""An incident whose workflow is gone is raised, and ended by somebody else: what its workflow says later is journal."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from activities.analytics.store import Store, incidents, journal
from activities.analytics.store.audit import verify
from models.incident import Phase
from models.journal import JournalEntry
from tests.store.journal_entries import ended, entry, started, step


def orphaned(number: int) -> JournalEntry:
    return entry("phase", number, source=f"reconciler/{number}", phase="orphaned", detail="terminated")


def phase(store: Store) -> Phase:
    found = incidents.incident(store, "I")
    assert found is not None
    return found.phase


def test_an_orphaned_incident_is_open(store: Store) -> None:
    journal.append(store, [started()])
    assert journal.append_to_open(store, orphaned(1), unless={Phase.ORPHANED})
    (found,) = incidents.incidents(store, open_only=True)
    assert (found.phase, found.detail) == (Phase.ORPHANED, "terminated")


def test_of_many_that_raise_it_at_once_one_does(store: Store) -> None:
    journal.append(store, [started()])
    with ThreadPoolExecutor(4) as threads:
        raised = [
            threads.submit(journal.append_to_open, store, orphaned(number), {Phase.ORPHANED}) for number in range(4)
        ]
    assert sorted(one.result() for one in raised) == [False, False, False, True]
    assert not verify(store).broken


@pytest.mark.parametrize("begun", [True, False])
def test_one_that_has_ended_or_is_not_known_is_not_raised(store: Store, begun: bool) -> None:
    journal.append(store, [started(), ended(2)] if begun else [])
    assert not journal.append_to_open(store, orphaned(1), unless={Phase.ORPHANED})
    assert len(journal.events(store, "I")) == (2 if begun else 0)


def test_what_a_workflow_says_after_its_incident_was_undone_moves_nothing_and_is_kept(store: Store) -> None:
    undone = entry("incident-ended", 2, source="undo/1", phase="aborted", sentence="undone without its workflow")
    journal.append(store, [started(), undone])
    late = [entry("phase", 3, phase="held", detail="no gate passes"), ended(4)]
    journal.append(store, late)
    found = incidents.incident(store, "I")
    assert found is not None
    assert (found.phase, found.sentence) == (Phase.ABORTED, "undone without its workflow")
    assert [event.kind for event in journal.events(store, "I")][2:] == [one.kind for one in late]
    assert not verify(store).broken


def test_a_held_incident_can_still_be_undone(store: Store) -> None:
    held = entry("incident-ended", 2, phase="held", sentence="nobody came")
    journal.append(store, [started(), held, entry("incident-ended", 1, source="undo/1", phase="aborted", sentence="x")])
    assert phase(store) is Phase.ABORTED


def test_what_becomes_of_a_step_is_said_of_the_step_and_not_beside_it(store: Store) -> None:
    journal.append(store, [started(), step(2, "switch", "done", source="rollback:payments/run")])
    own = step(1, "switch", "undone", source="undo/1")
    told = own.model_copy(update={"payload": {**own.payload, "taken_by": "rollback:payments/run"}})
    journal.append(store, [told])
    (found,) = incidents.steps(store, "I")
    assert (found.source, found.record.status) == ("rollback:payments/run", "undone")
