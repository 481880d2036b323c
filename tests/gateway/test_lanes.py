"""The waiting room of alerts: nothing is lost or handed out twice, whatever comes and goes in whichever order."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from activities.analytics.store.deliveries import StoredAlert
from models.alert import Alert, AlertState, AlertStatus, Severity
from workers.gateway.lanes import Lane, Lanes

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def stored(row: int, severity: Severity = Severity.CRITICAL) -> StoredAlert:
    alert = Alert(
        source="alertmanager",
        fingerprint=f"f{row}",
        status=AlertStatus.FIRING,
        severity=severity,
        service="payments",
        region="eu",
        group="g",
        name="n",
        starts_at=NOW,
    )
    return StoredAlert(
        id=row, delivery_id=1, received_at=NOW, alert=alert, state=AlertState.PENDING, incident=None, reason=""
    )


def test_the_most_urgent_and_then_the_oldest_goes_first() -> None:
    lanes = Lanes()
    for row, key, severity in [
        (1, "a", Severity.WARNING),
        (2, "b", Severity.INFO),
        (3, "c", Severity.CRITICAL),
        (4, "d", Severity.CRITICAL),
        (5, "b", Severity.CRITICAL),
    ]:
        lanes.add(key, stored(row, severity), suspect=False)
    assert [lane.key for lane in iter(lanes.take, None) if lane] == ["c", "d", "b", "a"]


def test_a_lane_that_is_not_admitted_is_left() -> None:
    def critical(severity: Severity) -> bool:
        return severity is Severity.CRITICAL

    lanes = Lanes()
    lanes.add("a", stored(1, Severity.WARNING), suspect=False)
    assert lanes.take(critical) is None
    lanes.add("b", stored(2, Severity.CRITICAL), suspect=False)
    taken = lanes.take(critical)
    assert taken and (taken.key, taken.urgency) == ("b", Severity.CRITICAL)
    left = lanes.take()
    assert left and left.key == "a"


def test_what_was_put_back_is_suspect_and_comes_before_what_came_since() -> None:
    lanes = Lanes()
    lanes.add("a", stored(2), suspect=False)
    lane = lanes.take()
    assert lane and not lane.suspect
    lanes.add("a", stored(3), suspect=False)
    assert lanes.take() is None
    lanes.put_back(lane)
    again = lanes.take()
    assert again and again.suspect and again.attempts == 1
    assert [one.id for one in again.in_order] == [2, 3]


def test_what_is_put_back_again_and_again_takes_no_more_memory() -> None:
    """As while Temporal is away, for as long as that takes."""
    lanes = Lanes()
    for row in range(1_000):
        lanes.add("a", stored(row, Severity.WARNING), suspect=False)

    def put_back() -> None:
        for _ in range(50):
            lane = lanes.take()
            assert lane
            lanes.put_back(lane)

    put_back()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    put_back()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 1_000_000


steps = st.lists(
    st.tuples(st.just("add"), st.integers(1, 30), st.sampled_from("abc"), st.sampled_from(list(Severity)))
    | st.tuples(st.sampled_from(["take", "done", "back"]), st.just(0), st.just(""), st.just(Severity.INFO)),
    max_size=60,
)


@given(steps)
def test_every_alert_is_handed_out_until_it_is_done_and_by_one_at_a_time(
    plan: list[tuple[str, int, str, Severity]],
) -> None:
    lanes = Lanes()
    key_of: dict[int, str] = {}
    taken: list[Lane] = []
    done: set[int] = set()
    for what, row, key, severity in plan:
        if what == "add" and row not in key_of:
            key_of[row] = key
            lanes.add(key, stored(row, severity), suspect=False)
        elif what == "take" and (lane := lanes.take()):
            assert lane.key not in {other.key for other in taken}
            assert done.isdisjoint(lane.alerts)
            taken.append(lane)
        elif what == "done" and taken:
            done |= taken[0].alerts.keys()
            lanes.done(taken.pop(0))
        elif what == "back" and taken:
            lanes.put_back(taken.pop())
        assert len(lanes) == len(key_of) - len(done)
    for lane in taken:
        lanes.put_back(lane)
    while lane := lanes.take():
        done |= lane.alerts.keys()
        lanes.done(lane)
    assert done == set(key_of)
    assert len(lanes) == 0
