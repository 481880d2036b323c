"""What counts for a budget: the acts of one service in one region, in the last hour and the last day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event
from ulid import ULID

from activities.analytics.store import Store, migrate, open_store
from activities.analytics.store.journal import append
from activities.analytics.store.preventions import ACTS, spent
from models.journal import JournalEntry
from models.prevention import Action, Spent
from models.prevention_run import PreventionActs

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(opened)
    yield opened
    opened.close()


def acted(
    store: Store,
    ago: timedelta,
    service: str = "payments",
    region: str = "eu",
    dollars: float = 2,
    held: timedelta = timedelta(0),
) -> None:
    acts = PreventionActs(
        region=region, service=service, action=Action.SCALE, dollars=dollars, seconds=held.total_seconds()
    )
    entry = JournalEntry(
        incident=str(ULID.from_datetime(NOW - ago)),
        source="a-test",
        source_seq=1,
        kind=ACTS,
        at=NOW - ago,
        payload=acts.model_dump(mode="json"),
    )
    append(store, [entry])


def test_an_hour_counts_for_the_dollars_and_a_day_for_the_actions(store: Store) -> None:
    for minutes in (5, 59, 61, 23 * 60, 25 * 60, 100 * 60):
        acted(store, timedelta(minutes=minutes))
    assert spent(store, "eu", "payments", NOW) == Spent(dollars=4, actions=4)


def test_what_was_done_elsewhere_does_not_count(store: Store) -> None:
    acted(store, timedelta(minutes=5), service="ledger")
    acted(store, timedelta(minutes=5), region="us")
    assert spent(store, "eu", "payments", NOW) == Spent(dollars=0, actions=0)


@pytest.mark.parametrize(
    ("began", "dollars"),
    [(30, 8), (60, 8), (90, 6), (150, 2), (180, 0), (240, 0)],
)
def test_of_what_is_held_the_part_since_an_hour_ago_counts(store: Store, began: int, dollars: float) -> None:
    """Two hours of it cost $8; what is still to come is part of it."""
    acted(store, timedelta(minutes=began), dollars=8, held=timedelta(hours=2))
    assert spent(store, "eu", "payments", NOW).dollars == pytest.approx(dollars)


def test_what_others_have_told_is_not_read(store: Store) -> None:
    statements: list[str] = []

    @event.listens_for(store.engine, "before_cursor_execute")
    def keep(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    spent(store, "eu", "payments", NOW)
    asked = next(one for one in statements if "FROM events" in one)
    with store.read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", (" ", "a")).all()
    assert "ix_events_preventions" in str(plan)
