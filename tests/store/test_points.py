"""Points are kept once, marked for a reason, forgotten in time; only one that a soak has proven is ever chosen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from activities.analytics.store import Store, holds, journal, points
from activities.analytics.store.points import MARKED, NEWEST
from models.point import RollbackPoint, Why
from models.verdict import Finding, Verdict
from tests.store.journal_entries import entry, held, started

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def point(release: str = "v1", hours_ago: float = 1, **changed: Any) -> RollbackPoint:
    taken = NOW - timedelta(hours=hours_ago)
    values: dict[str, object] = {
        "service": "payments",
        "region": "eu",
        "release": release,
        "weights": {release: 100},
        "replicas": {release: 3},
        "taken_at": taken,
        "why": Why.HEALTHY,
        "health": Finding.PASS,
        "measured": f"{release} in 60 s: 0 of 500 failed",
        "expires_at": taken + timedelta(days=7),
    }
    return RollbackPoint.model_validate(values | changed)


def before_change(**changed: Any) -> RollbackPoint:
    return point("v2", why=Why.BEFORE_CHANGE, incident="I", health=Finding.FAIL, **changed)


def failed(sentence: str) -> Verdict:
    return Verdict(finding=Finding.FAIL, sentence=sentence)


def test_a_point_comes_back_as_it_was_given(store: Store) -> None:
    kept = points.keep(store, point(), LATER)
    assert kept is not None
    found = points.point(store, kept.id)
    assert found is not None and found.point == point()


def test_a_second_point_of_the_same_is_not_kept_before_the_first_is_due_to_be_renewed(store: Store) -> None:
    assert points.keep(store, point(), LATER)
    assert points.keep(store, point(hours_ago=0, replicas={"v1": 5}), LATER) is None
    assert points.keep(store, point(hours_ago=0), NOW + timedelta(days=7)), "the first one is about to end"
    assert len(points.points(store)) == 2


@pytest.mark.parametrize("other", [{"release": "v2"}, {"region": "us"}])
def test_another_release_or_place_has_a_point_of_its_own(store: Store, other: dict[str, object]) -> None:
    points.keep(store, point(), LATER)
    assert points.keep(store, RollbackPoint.model_validate(point().model_dump() | other), LATER)


def test_no_point_is_made_while_an_incident_of_the_service_is_open_there(store: Store) -> None:
    journal.append(store, [started()])
    assert points.keep(store, point(), LATER) is None
    assert points.keep(store, point(region="us"), LATER)


def test_no_point_is_made_of_a_release_that_is_held(store: Store) -> None:
    journal.append(store, [held("v1")])
    assert points.keep(store, point("v1"), LATER) is None
    assert points.keep(store, point("v2"), LATER)


def test_holding_a_release_disowns_its_points_in_that_place_only(store: Store) -> None:
    for one in (point("v1"), point("v2"), point("v2", region="us")):
        points.keep(store, one, LATER)
    journal.append(store, [held("v2")])
    invalid = [one.point for one in points.points(store) if not one.point.valid]
    assert [(one.release, one.region, one.reason) for one in invalid] == [
        ("v2", "eu", "v2 was rolled away from in incident I")
    ]
    assert [hold.release for hold in holds.held(store, "payments", "eu")] == ["v2"]


def test_a_point_before_a_change_comes_through_the_journal_once_and_before_its_incident_is_known(store: Store) -> None:
    payload = {**before_change().model_dump(mode="json"), "from_a_later_build": 1}
    taken = entry("point").model_copy(update={"payload": payload})
    assert [journal.append(store, [taken]) for _ in range(2)] == [1, 0]
    (kept,) = points.points(store)
    assert kept.point == before_change()
    assert not kept.point.usable(NOW)


def test_a_point_that_does_not_say_whose_change_it_precedes_is_refused(store: Store) -> None:
    with pytest.raises(IntegrityError):
        points.keep(store, point(why=Why.BEFORE_CHANGE), LATER)


@pytest.mark.parametrize(
    "unfit",
    [
        {"valid": False, "reason": "the artefact is gone"},
        {"health": Finding.INCONCLUSIVE},
        {"health": Finding.FAIL},
        {"expires_at": NOW},
        {"why": Why.BEFORE_CHANGE, "incident": "I"},
    ],
)
def test_an_unfit_point_is_never_chosen(unfit: dict[str, Any]) -> None:
    assert point().usable(NOW)
    assert not point(**unfit).usable(NOW)


def test_what_a_check_says_is_noted_and_a_failure_is_for_ever(store: Store) -> None:
    kept = points.keep(store, point(), LATER)
    assert kept
    points.note(store, {kept.id: Verdict(finding=Finding.INCONCLUSIVE, sentence="the platform is away")}, NOW)
    assert [one.id for one in points.not_marked(store)] == [kept.id]
    points.note(store, {kept.id: failed("its image is gone")}, LATER)
    points.note(store, {kept.id: Verdict(finding=Finding.PASS, sentence="it is back")}, LATER)
    found = points.point(store, kept.id)
    assert found
    assert (found.point.valid, found.point.reason) == (False, "its image is gone")
    assert (found.point.checked_at, found.point.check_said) == (LATER, "its image is gone")
    assert points.not_marked(store) == []


def test_the_table_stays_bounded_the_newest_are_kept_and_the_marked_for_a_time(store: Store) -> None:
    for hours in range(NEWEST + 3):
        points.keep(store, point(hours_ago=hours), NOW + timedelta(days=30))
    marked = points.keep(store, point("v2", expires_at=NOW), NOW)
    assert marked
    points.note(store, {marked.id: failed("it is old")}, NOW)
    assert points.prune(store, NOW) == 3
    left = [one.point.taken_at for one in points.points(store) if one.point.release == "v1"]
    assert left == [NOW - timedelta(hours=hours) for hours in range(NEWEST)]
    assert points.point(store, marked.id)
    assert points.prune(store, NOW + MARKED + timedelta(seconds=1)) == 1
    assert points.point(store, marked.id) is None
