"""What speaks against a rollback point, and what is only not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from activities.rollback.validation import check
from models.point import RollbackPoint, Why
from models.verdict import Finding

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def point(schema: str | None = None, expires_in: float = 3600) -> RollbackPoint:
    return RollbackPoint(
        service="payments",
        region="eu",
        release="v1",
        weights={"v1": 100},
        replicas={"v1": 2},
        schema_revision=schema,
        taken_at=NOW - timedelta(days=3),
        why=Why.HEALTHY,
        health=Finding.PASS,
        measured="0 of 500 failed",
        expires_at=NOW + timedelta(seconds=expires_in),
    )


@pytest.mark.parametrize(
    ("checked", "runnable", "schema", "finding", "says"),
    [
        (point(), ("v1", "v2"), None, Finding.PASS, "3 days, 0:00:00 old; the platform knows how to run v1"),
        (point(), None, None, Finding.PASS, "whether it can be run: not known"),
        (point("7"), ("v1",), "7", Finding.PASS, "the schema: the same"),
        (point("7"), ("v1",), None, Finding.PASS, "the schema: not known"),
        (point(), ("v1",), "7", Finding.PASS, "the schema: not known"),
        (point("7"), ("v1",), "8", Finding.FAIL, "the database's schema is 8, and was 7"),
        (point(), ("v2", "v3"), None, Finding.FAIL, "how to run v1; it knows v2, v3"),
        (point(), (), None, Finding.FAIL, "it knows none"),
        (point(expires_in=0), ("v1",), None, Finding.FAIL, "older than its limit of 3 days"),
    ],
)
def test_what_is_known_to_be_wrong_fails_and_what_is_unknown_is_said(
    checked: RollbackPoint, runnable: tuple[str, ...] | None, schema: str | None, finding: Finding, says: str
) -> None:
    verdict = check(checked, runnable, schema, NOW)
    assert verdict.finding is finding
    assert says in verdict.sentence
