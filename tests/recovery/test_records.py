"""What the store is told of an undoing: every change with its receipts, also those that the journal never had."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from activities.analytics.store import Store, incidents, journal, migrate, open_store
from activities.analytics.store.audit import verify
from models.catalog_file import CatalogError
from models.incident import Phase
from models.journal import JournalEntry
from models.receipt import Outcome
from tests.recovery.test_effects import did, undid
from tests.store.journal_entries import entry, started, step
from workers.recovery.effects import Effect, effects
from workers.recovery.records import Known, Word, catalog_of, ended, look_up, tell

ROLLBACK = "rollback:I:payments/run"
WORD = Word("undo", "ada", "it was lost")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(opened)
    yield opened
    opened.close()


def kept(number: int, name: str) -> JournalEntry:
    receipt = did(name.removeprefix("payments."), number).model_dump(mode="json")
    return entry("receipt", number, source=ROLLBACK, step=name, receipt=receipt)


def told(store: Store, found: tuple[Effect, ...], end: Phase | None = Phase.ABORTED) -> bool:
    known = look_up(store, "I")
    return tell(store, "I", known, found, WORD, ended(known, end, "undone") if end else None)


def statuses(store: Store) -> dict[tuple[str, str], str]:
    return {(one.source, one.record.step): one.record.status for one in incidents.steps(store, "I")}


UNDONE = effects({"mesh envoy of eu": [did("switch", 2), did("drain", 3), undid("drain", 4), undid("switch", 5)]})


def test_a_step_that_the_journal_knows_is_undone_where_it_stands_and_its_incident_ends(store: Store) -> None:
    journal.append(store, [started(), step(2, "payments.switch", "done", source=ROLLBACK), kept(3, "payments.switch")])
    journal.append(store, [step(4, "payments.drain", "registered", source=ROLLBACK)])
    assert told(store, UNDONE)
    assert statuses(store) == {(ROLLBACK, "payments.switch"): "undone", (ROLLBACK, "payments.drain"): "undone"}
    receipts = [receipt.outcome for one in incidents.steps(store, "I") for receipt in one.receipts]
    assert sorted(receipts) == sorted([Outcome.APPLIED, Outcome.RESTORED] * 2)
    found = incidents.incident(store, "I")
    assert found is not None
    assert (found.phase, found.sentence) == (Phase.ABORTED, "undone")
    assert not verify(store).broken


def test_what_the_journal_had_never_heard_of_is_recorded_with_its_receipts(store: Store) -> None:
    journal.append(store, [started()])
    assert told(store, UNDONE)
    found = incidents.steps(store, "I")
    assert [(one.record.step, one.record.status, len(one.receipts)) for one in found] == [
        ("payments.switch", "undone", 2),
        ("payments.drain", "undone", 2),
    ]
    assert found[0].record.title == "payments: switch 1 -> absent"


def test_protection_and_what_no_control_plane_has_are_accounted_for(store: Store) -> None:
    protect = step(2, "protect", "done", source="incident")
    protect = protect.model_copy(update={"payload": {**protect.payload, "module": "breaker"}})
    journal.append(store, [started(), protect, step(3, "payments.retire", "registered", source=ROLLBACK)])
    assert told(store, ())
    assert statuses(store) == {("incident", "protect"): "undone", (ROLLBACK, "payments.retire"): "nothing-to-undo"}


def test_of_one_step_nothing_is_told_but_what_became_of_it(store: Store) -> None:
    journal.append(store, [started(), step(2, "payments.freeze", "done", source=ROLLBACK), kept(3, "payments.freeze")])
    journal.append(store, [step(4, "payments.switch", "done", source=ROLLBACK)])
    journal.append(store, [entry("incident-ended", 5, phase="held", sentence="nobody retried it")])
    freeze = effects({"platform": [did("freeze", 3), undid("freeze", 6)]})
    assert tell(store, "I", look_up(store, "I"), freeze, replace(WORD, step="payments.freeze"), None)
    assert statuses(store) == {(ROLLBACK, "payments.freeze"): "undone", (ROLLBACK, "payments.switch"): "done"}
    found = incidents.incident(store, "I")
    assert found is not None
    assert (found.phase, found.sentence) == (Phase.HELD, "nobody retried it")
    (said,) = (one.payload for one in journal.events(store, "I") if one.kind == "operator")
    assert said == {"action": "undo", "by": "ada", "reason": "it was lost", "step": "payments.freeze"}


def test_telling_it_again_records_nothing(store: Store) -> None:
    journal.append(store, [started(), step(2, "payments.switch", "done", source=ROLLBACK), kept(3, "payments.switch")])
    assert told(store, UNDONE)
    number = len(journal.events(store, "I"))
    assert not told(store, UNDONE)
    assert len(journal.events(store, "I")) == number


def test_while_something_is_left_the_incident_stays_open(store: Store) -> None:
    journal.append(store, [started(), step(2, "payments.switch", "done", source=ROLLBACK), kept(3, "payments.switch")])
    assert told(store, effects({"mesh": [did("switch", 2), did("drain", 3), undid("drain", 4)]}), end=None)
    assert statuses(store)[(ROLLBACK, "payments.switch")] == "done"
    assert [one.id for one in incidents.incidents(store, open_only=True)] == ["I"]


def test_a_second_attempt_of_a_step_is_a_step_of_its_own(store: Store) -> None:
    first, again = "rollback:I:payments/one", "rollback:I:payments/two"
    journal.append(store, [started(), step(2, "payments.switch", "undone", source=first)])
    one = did("switch", 2).model_dump(mode="json")
    journal.append(store, [entry("receipt", 3, source=first, step="payments.switch", receipt=one)])
    journal.append(store, [step(4, "payments.switch", "registered", source=again)])
    ledger = [did("switch", 2), undid("switch", 3), did("switch", 4, attempt=2), undid("switch", 5, attempt=2)]
    assert told(store, effects({"mesh": ledger}))
    assert statuses(store) == {(first, "payments.switch"): "undone", (again, "payments.switch"): "undone"}


def test_without_the_store_the_file_s_catalog_serves(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="there is no such file"):
        catalog_of(Known(), tmp_path / "catalog.yaml")
