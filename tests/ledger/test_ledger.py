"""Single statements about the ledger that are easier to read as examples than as laws."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.identity import Key
from models.receipt import Conflict, Outcome, Receipt
from workers.ledger import KeyMisused, Ledger, Snapshot

AT = datetime(2026, 1, 1, tzinfo=UTC)
WHERE = "eu/payments"


def key(step: str) -> str:
    return str(Key(incident="01J", step=step))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.db")
    yield opened
    opened.close()


def test_undoing_leaves_fields_alone_that_others_changed_beside_ours(ledger: Ledger) -> None:
    ledger.change(key("ours"), WHERE, {"replicas/v1": 2}, None, AT)
    ledger.change(key("theirs"), WHERE, {"replicas/v2": 5}, None, AT)
    assert ledger.undo(key("ours"), WHERE, AT).outcome is Outcome.RESTORED
    assert ledger.read(WHERE) == Snapshot(3, {"replicas/v2": 5})


def test_a_newer_change_of_ours_fields_is_reported_and_not_overwritten(ledger: Ledger) -> None:
    ledger.change(key("ours"), WHERE, {"replicas/v1": 2, "replicas/v2": 0}, None, AT)
    ledger.change(key("theirs"), WHERE, {"replicas/v2": 5}, None, AT)
    receipt = ledger.undo(key("ours"), WHERE, AT)
    assert receipt.outcome is Outcome.SUPERSEDED
    assert receipt.after == {"replicas/v1": 2, "replicas/v2": 5}
    assert ledger.read(WHERE) == Snapshot(2, {"replicas/v1": 2, "replicas/v2": 5})


def test_a_newer_change_of_another_incident_is_theirs_even_if_it_says_the_same(ledger: Ledger) -> None:
    """A rollback that took ours over relies on the replicas that it asked for, and that we had asked for before."""
    theirs = str(Key(incident="01K", step="theirs"))
    ledger.change(key("ours"), WHERE, {"replicas/v1": 2}, None, AT)
    ledger.change(theirs, WHERE, {"replicas/v1": 2}, None, AT)

    assert ledger.undo(key("ours"), WHERE, AT).outcome is Outcome.SUPERSEDED
    assert ledger.read(WHERE).state == {"replicas/v1": 2}


def test_what_another_incident_has_taken_back_is_ours_again(ledger: Ledger) -> None:
    theirs = str(Key(incident="01K", step="theirs"))
    ledger.change(key("ours"), WHERE, {"replicas/v1": 2}, None, AT)
    ledger.change(theirs, WHERE, {"replicas/v1": 2}, None, AT)
    ledger.undo(theirs, WHERE, AT)

    assert ledger.undo(key("ours"), WHERE, AT).outcome is Outcome.RESTORED
    assert ledger.read(WHERE).state == {}


def test_true_and_one_are_two_values(ledger: Ledger) -> None:
    ledger.change(key("ours"), WHERE, {"drain/v1": True}, None, AT)
    ledger.change(key("theirs"), WHERE, {"drain/v1": 1}, None, AT)
    assert ledger.undo(key("ours"), WHERE, AT).outcome is Outcome.SUPERSEDED


def test_the_change_of_a_field_that_stands_is_the_newest_that_was_not_taken_back(ledger: Ledger) -> None:
    assert ledger.standing_change(WHERE, "frozen") is None
    ours = ledger.change(key("ours"), WHERE, {"frozen": True}, None, AT)
    ledger.change(key("beside"), WHERE, {"replicas/v1": 1}, None, AT)
    ledger.change(key("elsewhere"), "us/payments", {"frozen": True}, None, AT)
    assert ledger.standing_change(WHERE, "frozen") == ours
    theirs = ledger.change(key("theirs"), WHERE, {"frozen": None}, None, AT)
    assert ledger.undo(key("ours"), WHERE, AT).outcome is Outcome.SUPERSEDED
    assert ledger.standing_change(WHERE, "frozen") == theirs
    ledger.undo(key("theirs"), WHERE, AT)
    assert ledger.standing_change(WHERE, "frozen") == ours


@pytest.mark.parametrize("text", ["", "nonsense", "01J:step:do:0", "01J:step:do:01", "01J:step:redo:1", ":step:do:1"])
def test_a_key_of_another_shape_is_refused(ledger: Ledger, text: str) -> None:
    with pytest.raises(KeyMisused, match="incident:step:do:attempt"):
        ledger.change(text, WHERE, {"replicas/v1": 1}, None, AT)
    assert ledger.resources() == {}


def test_the_key_of_an_undoing_and_the_key_of_another_resource_are_refused(ledger: Ledger) -> None:
    ledger.change(key("scale"), WHERE, {"replicas/v1": 1}, None, AT)
    with pytest.raises(KeyMisused, match="key of an undoing"):
        ledger.undo(str(Key(incident="01J", step="scale").undo()), WHERE, AT)
    with pytest.raises(KeyMisused, match=WHERE):
        ledger.change(key("scale"), "us/payments", {"replicas/v1": 1}, None, AT)
    with pytest.raises(KeyMisused, match=WHERE):
        ledger.undo(key("scale"), "us/payments", AT)
    assert list(ledger.resources()) == [WHERE]


def test_a_key_survives_being_written_and_read_again() -> None:
    odd = Key(incident="01J", step="rollback:eu:payments", attempt=12)
    assert Key.parse(str(odd)) == odd
    assert Key.parse(str(odd.undo())) == odd.undo()


def test_rows_of_users_share_the_transaction_of_a_change(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        connection.execute("CREATE TABLE leases (id TEXT)")

    def both_then_fail() -> None:
        with ledger.transaction() as connection:
            connection.execute("INSERT INTO leases VALUES ('a')")
            ledger.change(key("scale"), WHERE, {"replicas/v1": 1}, None, AT)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        both_then_fail()
    assert ledger.connection.execute("SELECT count(*) FROM leases").fetchone() == (0,)
    assert ledger.receipts() == ()
    assert ledger.read(WHERE) == Snapshot(0, {})


def test_a_refusal_inside_a_larger_transaction_leaves_the_rest_of_it_whole(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.change(key("one"), WHERE, {"replicas/v1": 1}, None, AT)
        with pytest.raises(KeyMisused):
            ledger.change("nonsense", WHERE, {"replicas/v1": 9}, None, AT)
    assert ledger.read(WHERE) == Snapshot(1, {"replicas/v1": 1})


def test_of_many_that_expect_the_same_generation_one_wins(tmp_path: Path) -> None:
    answers: list[Receipt | Conflict] = []
    together = threading.Barrier(6)

    def contend(number: int) -> None:
        mine = Ledger(tmp_path / "ledger.db")
        together.wait()
        answers.append(mine.change(key(f"contender-{number}"), WHERE, {"replicas/v1": number}, 0, AT))
        mine.close()

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [answer for answer in answers if isinstance(answer, Receipt)]
    assert len(winners) == 1
    assert len(answers) == 6
    reopened = Ledger(tmp_path / "ledger.db")
    assert reopened.read(WHERE) == Snapshot(1, {"replicas/v1": winners[0].after["replicas/v1"]})
    reopened.close()


def test_on_a_full_disk_nothing_is_written_and_the_ledger_stays_usable(ledger: Ledger) -> None:
    ledger.change(key("small"), WHERE, {"release": "v1"}, None, AT)
    (pages,) = ledger.connection.execute("PRAGMA page_count").fetchone()
    ledger.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        ledger.change(key("large"), WHERE, {"release": "x" * 100_000}, None, AT)
    assert ledger.read(WHERE) == Snapshot(1, {"release": "v1"})
    assert ledger.receipt(key("large")) is None
    ledger.connection.execute("PRAGMA max_page_count = 10000")
    ledger.change(key("large"), WHERE, {"release": "v2"}, 1, AT)
    assert ledger.read(WHERE) == Snapshot(2, {"release": "v2"})
