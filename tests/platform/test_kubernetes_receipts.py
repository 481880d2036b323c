"""Receipts have a bounded place on an object, and those that may still be needed are never dropped from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from activities.driver import Refused
from activities.platform.drivers.kubernetes import records
from activities.platform.drivers.kubernetes.objects import Deployment
from activities.platform.drivers.kubernetes.records import Record
from models.receipt import Outcome, Receipt
from tests.platform.api_server import deployment

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def record(incident: str, step: int, age: timedelta, outcome: Outcome = Outcome.APPLIED) -> Record:
    action = "do" if outcome is Outcome.APPLIED else "undo"
    receipt = Receipt(
        key=f"{incident}:{step}:{action}:1",
        resource="eu/dispatch",
        before={"replicas/v1": 0},
        after={"replicas/v1": 1},
        generation=step,
        outcome=outcome,
        at=NOW - age,
    )
    return Record(receipt=receipt, things=("Deployment/dispatch-v1",), was={}, now={})


def carrying(*kept: Record) -> Deployment:
    made = deployment("dispatch", "v1")
    text = f"[{','.join(one.model_dump_json() for one in kept)}]"
    made["metadata"] |= {
        "uid": "1",
        "resourceVersion": "1",
        "creationTimestamp": NOW,
        "annotations": {records.RECEIPTS: text},
    }
    return Deployment.model_validate(made)


def full(*incidents: tuple[str, timedelta]) -> Deployment:
    """With no room for another receipt; the incidents share what there is."""
    size = len(record("01A", 100, timedelta(0)).model_dump_json())
    each = range(100, 100 + records.ROOM // size // len(incidents) + 1)
    return carrying(*(record(incident, step, age) for incident, age in incidents for step in each))


def incidents_after(on: Deployment, new: Record) -> set[str]:
    meta = on.metadata.model_copy(update={"annotations": {records.RECEIPTS: records.with_record(on, new)}})
    kept = records.records(on.model_copy(update={"metadata": meta}))
    return {one.receipt.key.partition(":")[0] for one in kept}


@pytest.mark.parametrize(
    ("ages", "left"),
    [
        ({"01A": 90 * DAY, "01B": 40 * DAY, "01C": 2 * DAY}, {"01B", "01C", "01NEW"}),
        ({"01A": 2 * DAY, "01B": 40 * DAY}, {"01A", "01NEW"}),
    ],
    ids=["the oldest goes", "whatever its name"],
)
def test_where_there_is_no_room_an_old_incident_goes_as_a_whole(ages: dict[str, timedelta], left: set[str]) -> None:
    assert incidents_after(full(*ages.items()), record("01NEW", 100, 0 * DAY)) == left


def test_a_change_for_which_only_recent_receipts_could_make_room_is_refused() -> None:
    with pytest.raises(Refused, match="no room for another receipt"):
        records.with_record(full(("01A", 29 * DAY)), record("01NEW", 100, 0 * DAY))


def test_undoing_has_room_all_the_same() -> None:
    undoing = record("01B", 100, 0 * DAY, Outcome.RESTORED)
    assert incidents_after(full(("01A", 29 * DAY)), undoing) == {"01A", "01B"}
