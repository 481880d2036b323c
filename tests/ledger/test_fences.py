"""What a whole incident has done can be listed, and an incident that is fenced makes no new change, for ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.identity import Key
from models.receipt import Outcome, Receipt
from workers.ledger import Fenced, KeyMisused, Ledger, Snapshot

AT = datetime(2026, 1, 1, tzinfo=UTC)
WHERE = "eu/payments"


def key(step: str, incident: str = "I") -> str:
    return str(Key(incident=incident, step=step))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.db")
    yield opened
    opened.close()


def test_a_key_without_a_receipt_is_refused_after_the_fence_and_others_are_not(ledger: Ledger) -> None:
    ledger.fence("I", AT)
    with pytest.raises(Fenced, match="ended from outside"):
        ledger.change(key("late"), WHERE, {"replicas/v1": 1}, None, AT)
    assert ledger.read(WHERE) == Snapshot(0, {})
    assert isinstance(ledger.change(key("late", "II"), WHERE, {"replicas/v1": 1}, None, AT), Receipt)


def test_a_repeat_gets_its_first_receipt_also_after_the_fence_and_never_makes_the_change_again(ledger: Ledger) -> None:
    first = ledger.change(key("scale"), WHERE, {"replicas/v1": 1}, None, AT)
    ledger.fence("I", AT)
    assert ledger.change(key("scale"), WHERE, {"replicas/v1": 1}, None, AT) == first
    assert ledger.undo(key("scale"), WHERE, AT).outcome is Outcome.RESTORED
    assert ledger.change(key("scale"), WHERE, {"replicas/v1": 1}, None, AT) == first
    assert ledger.read(WHERE) == Snapshot(2, {})


def test_fencing_again_changes_nothing_and_says_when_it_was_done_first(ledger: Ledger) -> None:
    assert ledger.fence("I", AT) == AT
    assert ledger.fence("I", AT + timedelta(hours=1)) == AT


def test_a_fence_outlives_the_process(ledger: Ledger, tmp_path: Path) -> None:
    ledger.fence("I", AT)
    reopened = Ledger(tmp_path / "ledger.db")
    assert (reopened.fenced_at("I"), reopened.fenced_at("II")) == (AT, None)
    reopened.close()


@pytest.mark.parametrize("incident", ["", "I:scale", ":"])
def test_what_is_no_incident_is_neither_listed_nor_fenced(ledger: Ledger, incident: str) -> None:
    with pytest.raises(KeyMisused):
        ledger.receipts_of(incident)
    with pytest.raises(KeyMisused):
        ledger.fence(incident, AT)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["I", "I-", "I;", "II", "H", "i", "I%", "I_"]), st.sampled_from("abc:")), max_size=12
    )
)
def test_the_receipts_of_an_incident_are_those_of_its_keys_in_their_order(steps: list[tuple[str, str]]) -> None:
    ledger = Ledger(":memory:")
    for number, (incident, step) in enumerate(steps):
        ledger.change(key(f"{step}{number}", incident), WHERE, {"replicas/v1": number}, None, AT)
        if step == "a":
            ledger.undo(key(f"{step}{number}", incident), WHERE, AT)
    everything = ledger.receipts()
    for incident in {incident for incident, _ in steps} | {"I"}:
        of_it = tuple(receipt for receipt in everything if Key.parse(receipt.key).incident == incident)
        assert ledger.receipts_of(incident) == of_it
    ledger.close()
