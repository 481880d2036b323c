"""Only a rollback point that was healthy, is valid and has not expired is ever chosen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from activities.analytics.store import Store, points
from models.base import SternwayError
from models.point import RollbackPoint
from models.verdict import Finding

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def point(release: str, hours_ago: float, **changed: object) -> RollbackPoint:
    taken = NOW - timedelta(hours=hours_ago)
    values: dict[str, object] = {
        "service": "payments",
        "region": "eu",
        "release": release,
        "weights": {release: 100},
        "replicas": {release: 3},
        "taken_at": taken,
        "health": Finding.PASS,
        "expires_at": taken + timedelta(days=1),
    }
    return RollbackPoint.model_validate(values | changed)


def chosen(store: Store, now: datetime = NOW, besides: frozenset[str] = frozenset()) -> str | None:
    found = points.newest_valid(store, "payments", "eu", now, besides)
    return found.point.release if found else None


def test_the_newest_point_is_chosen_and_comes_back_as_it_was_given(store: Store) -> None:
    points.add(store, point("v2", 1))
    points.add(store, point("v1", 2))
    found = points.newest_valid(store, "payments", "eu", NOW)
    assert found is not None
    assert found.point == point("v2", 1)
    assert chosen(store, besides=frozenset({"v2"})) == "v1"


@pytest.mark.parametrize(
    "unfit",
    [
        {"valid": False, "reason": "the artefact is gone"},
        {"health": Finding.INCONCLUSIVE},
        {"health": Finding.FAIL},
        {"expires_at": NOW},
        {"service": "ledger"},
        {"region": "us"},
    ],
)
def test_an_unfit_point_is_passed_over(store: Store, unfit: dict[str, object]) -> None:
    points.add(store, point("v1", 2))
    points.add(store, point("v2", 1, **unfit))
    assert chosen(store) == "v1"


def test_an_invalidated_point_is_kept_with_the_reason(store: Store) -> None:
    id = points.add(store, point("v1", 1))
    points.invalidate(store, id, "its image was deleted")
    assert chosen(store) is None
    (kept,) = points.points(store, "payments", "eu")
    assert (kept.id, kept.point.valid, kept.point.reason) == (id, False, "its image was deleted")


def test_an_unknown_point_cannot_be_invalidated(store: Store) -> None:
    with pytest.raises(SternwayError, match="no rollback point 7"):
        points.invalidate(store, 7, "?")
