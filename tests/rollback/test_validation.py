"""What speaks against a rollback point, and what is only not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from activities.rollback.validation import check
from models.point import RollbackPoint, Why
from models.verdict import Finding

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def point(expires_in: float = 3600) -> RollbackPoint:
    return RollbackPoint(
        service="payments",
        region="eu",
        release="v1",
        weights={"v1": 100},
        replicas={"v1": 2},
        taken_at=NOW - timedelta(days=3),
        why=Why.HEALTHY,
        health=Finding.PASS,
        measured="0 of 500 failed",
        expires_at=NOW + timedelta(seconds=expires_in),
    )


@pytest.mark.parametrize(
    ("checked", "runnable", "finding", "says"),
    [
        (point(), ("v1", "v2"), Finding.PASS, "3 days, 0:00:00 old; the platform knows how to run v1"),
        (point(), None, Finding.PASS, "whether it can be run: not known"),
        (point(), ("v2", "v3"), Finding.FAIL, "how to run v1; it knows v2, v3"),
        (point(), (), Finding.FAIL, "it knows none"),
        (point(expires_in=0), ("v1",), Finding.FAIL, "older than its limit of 3 days"),
    ],
)
def test_what_is_known_to_be_wrong_fails_and_what_is_unknown_is_said(
    checked: RollbackPoint, runnable: tuple[str, ...] | None, finding: Finding, says: str
) -> None:
    verdict = check(checked, runnable, NOW)
    assert verdict.finding is finding
    assert says in verdict.sentence
