"""The judge of the matrix finds what is wrong: each fault in what a run has left behind is seen, and only that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from models.receipt import Outcome, Receipt
from tests.chaos.judge import Seen, wrongs

BEFORE = ({"v1": 0, "v2": 100}, (), {"v2": 1})
RECOVERED = ({"v1": 100, "v2": 0}, ("v2",), {"v1": 1})


def receipt(key: str, outcome: Outcome = Outcome.APPLIED) -> Receipt:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Receipt(key=key, resource="r", before={}, after={}, generation=1, outcome=outcome, at=at)


MESH = [receipt("I:payments.switch:do:1"), receipt("I:payments.drain:do:1")]
AGENT = [receipt("I:payments.scale-target:do:1"), receipt("I:payments.retire:do:1")]

AGAIN = receipt("I:payments.switch:do:2")

RIGHT = Seen(
    incidents=1,
    phase="resolved",
    expected="resolved",
    sentence="payments is verified healthy",
    holds=(),
    before=BEFORE,
    after=RECOVERED,
    recovered=RECOVERED,
    receipts={"mesh": MESH, "agent": AGENT},
    moved={"mesh": 2, "agent": 2},
    others={"mesh": 0, "agent": 0},
    recorded=tuple(one.key for one in (*MESH, *AGENT)),
    leases=0,
    wishes=0,
    replicas_ready={"v1": 1},
    processes=1,
    replicas_wanted={"v1": 1},
    running=(),
    broken_chains=(),
    alert_states=("started",),
    unconfirmed=(),
    answering=frozenset({"v1"}),
    serving=frozenset({"v1"}),
    answers_lost=False,
    meddling_stands=True,
    meddled=False,
)


def test_nothing_is_wrong_with_an_undisturbed_run() -> None:
    assert list(wrongs(RIGHT)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"incidents": 2}, "opened 2 incidents"),
        ({"alert_states": ("pending",)}, "its alerts are pending"),
        ({"alert_states": ()}, "its alerts are gone"),
        ({"after": BEFORE}, "not as an undisturbed run leaves it"),
        ({"phase": "aborted"}, "not as before"),
        ({"phase": "held", "sentence": "somewhere"}, "ended held instead of resolved"),
        ({"phase": "held", "expected": "held", "sentence": "somewhere"}, "does not say whose change"),
        ({"phase": "executing"}, "ended executing instead of resolved"),
        ({"expected": "aborted"}, "ended resolved instead of aborted"),
        ({"unconfirmed": ("envoy-eu",)}, "not confirmed by envoy-eu"),
        ({"answering": frozenset({"v1", "failed"})}, "users are answered by ['failed', 'v1']"),
        ({"receipts": {"mesh": [*MESH, AGAIN], "agent": AGENT}}, "changed twice by payments.switch"),
        ({"moved": {"mesh": 3, "agent": 2}}, "the mesh moved 3 times, and 2 effects"),
        ({"receipts": {"mesh": MESH + MESH[:1], "agent": AGENT}}, "more than one receipt of I:payments.switch:do:1"),
        ({"recorded": RIGHT.recorded + RIGHT.recorded[:1]}, "a receipt twice"),
        ({"recorded": RIGHT.recorded[1:]}, "lacks receipts: I:payments.switch:do:1"),
        ({"recorded": (*RIGHT.recorded, "I:payments.other:do:1")}, "that no ledger has"),
        ({"leases": 1}, "1 protective leases"),
        ({"wishes": 1}, "guards are still told 1 things"),
        ({"processes": 2}, "2 processes"),
        ({"replicas_ready": {}}, "where {'v1': 1} are wanted"),
        ({"running": ("lock:eu:payments",)}, "still running: lock:eu:payments"),
        ({"broken_chains": ("event 3: cut",)}, "event 3: cut"),
        ({"meddling_stands": False, "meddled": True}, "overwritten"),
    ],
)
def test_each_thing_that_is_wrong_is_found(change: dict[str, Any], said: str) -> None:
    found = list(wrongs(replace(RIGHT, **change)))
    assert any(said in wrong for wrong in found), found


def test_what_was_undone_is_two_effects_and_the_state_before() -> None:
    undone = {
        "mesh": [MESH[0], receipt("I:payments.switch:undo:1", Outcome.RESTORED)],
        "agent": [receipt("I:payments.retire:undo:1", Outcome.NEVER_HAPPENED)],
    }
    seen = replace(
        RIGHT,
        phase="aborted",
        expected="aborted",
        after=BEFORE,
        receipts=undone,
        moved={"mesh": 2, "agent": 0},
        recorded=(MESH[0].key, "I:payments.switch:undo:1"),
        answering=frozenset({"v2"}),
        serving=frozenset({"v2"}),
    )
    assert list(wrongs(seen)) == []
    assert any("lacks receipts: I:payments.switch:undo:1" in w for w in wrongs(replace(seen, recorded=(MESH[0].key,))))
    only_undoings = replace(seen, recorded=("I:payments.switch:undo:1",))
    assert any("lacks receipts: I:payments.switch:do:1" in wrong for wrong in wrongs(only_undoings))
    assert list(wrongs(replace(only_undoings, answers_lost=True))) == []
