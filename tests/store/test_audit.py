"""The journal refuses to be rewritten; and if somebody who owns the database does it all the same, it is seen."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from activities.analytics.store import Store, audit, incidents, journal
from activities.analytics.store.chain import GENESIS
from tests.store.journal_entries import ended, entry, started, step


@pytest.fixture
def written(store: Store) -> Store:
    """Two incidents that have ended, and one that is open."""
    for name in ("A", "B"):
        journal.append(
            store, [started(incident=name), entry("operator", 2, incident=name, by="ann"), ended(3, incident=name)]
        )
    journal.append(store, [started(incident="C"), step(1, "route", "done", incident="C")])
    return store


def execute(store: Store, statement: str) -> None:
    with store.write() as connection:
        connection.execute(text(statement))


def as_the_owner(store: Store, statement: str) -> None:
    """What somebody can do who may switch triggers and constraints off."""
    with store.write() as connection:
        for table, triggers in (
            ("events", ("events_only_erased", "events_not_deleted")),
            ("anchors", ("anchors_not_updated", "anchors_not_deleted")),
        ):
            if store.sqlite:
                for trigger in triggers:
                    connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
            else:
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        connection.execute(text(statement))


def test_an_untouched_journal_is_whole(written: Store) -> None:
    found = audit.verify(written)
    assert (found.incidents, found.events, found.anchors, found.broken) == (3, 8, 2, ())
    assert found.newest_anchor != GENESIS
    assert audit.verify(written, "A").events == 3


def test_an_empty_journal_is_whole(store: Store) -> None:
    assert audit.verify(store) == audit.Audit(incidents=0, events=0, anchors=0, newest_anchor=GENESIS, broken=())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET payload = '{}' WHERE incident = 'A' AND seq = 2",
        "UPDATE events SET payload = NULL WHERE incident = 'A' AND seq = 2",
        "UPDATE events SET payload = NULL, salt = NULL, kind = 'phase' WHERE incident = 'A' AND seq = 2",
        "UPDATE events SET seq = 9 WHERE incident = 'A' AND seq = 2",
        "UPDATE events SET incident = 'Z', payload = NULL, salt = NULL",
        "DELETE FROM events WHERE incident = 'C'",
        "UPDATE anchors SET head_seq = 2",
        "DELETE FROM anchors",
    ],
)
def test_the_database_refuses_to_rewrite_the_journal(written: Store, statement: str) -> None:
    with pytest.raises(DatabaseError, match=r"append-only|CHECK constraint|check constraint"):
        execute(written, statement)
    assert audit.verify(written).broken == ()


@pytest.mark.parametrize(("table", "order"), [("events", "incident"), ("anchors", "seq")])
def test_the_database_refuses_to_empty_or_replace_the_journal(written: Store, table: str, order: str) -> None:
    statement = f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} ORDER BY {order} LIMIT 1"  # noqa: S608 -- constants
    with pytest.raises(DatabaseError, match="append-only"):
        execute(written, statement if written.sqlite else f"TRUNCATE {table}")


def test_an_event_is_not_overwritten_by_a_second_one(written: Store) -> None:
    copied = "INSERT INTO events SELECT * FROM events WHERE incident = 'A' AND seq = 1"
    with pytest.raises(DatabaseError, match=r"append-only|duplicate key"):
        execute(written, copied)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (
            """UPDATE events SET payload = '{"by":"bob"}' WHERE incident = 'A' AND seq = 2""",
            "incident A, event 2: the payload was altered",
        ),
        (
            "UPDATE events SET at = (SELECT max(at) FROM events) WHERE incident = 'A' AND seq = 1",
            "incident A, event 1: the event was altered",
        ),
        (
            "UPDATE events SET kind = 'phase' WHERE incident = 'C' AND seq = 2",
            "incident C, event 2: the event was altered",
        ),
        ("DELETE FROM events WHERE incident = 'B' AND seq = 1", "incident B, event 2: event 1 is missing"),
        (
            "DELETE FROM events WHERE incident = 'A' AND seq >= 2",
            "incident A, event 2: the journal was cut off: events up to 3 were anchored",
        ),
        (
            "DELETE FROM events WHERE incident = 'A'",
            "incident A, event 1: the whole journal of this incident is missing, and an anchor knows it",
        ),
        ("UPDATE anchors SET head_seq = 2 WHERE seq = 2", "anchor 2: the anchor was altered"),
        ("DELETE FROM anchors WHERE seq = 1", "anchor 2: anchor 1 is missing"),
        (
            "DELETE FROM anchors WHERE seq = 2",
            "incident B, event 3: the incident has ended, and the anchor of its journal is missing",
        ),
    ],
)
def test_what_the_owner_of_the_database_altered_is_named(written: Store, statement: str, found: str) -> None:
    as_the_owner(written, statement)
    assert str(audit.verify(written).broken[0]) == found


def test_a_journal_that_was_written_anew_is_not_the_one_that_was_anchored(written: Store) -> None:
    as_the_owner(written, "DELETE FROM events WHERE incident = 'A'")
    entries = [
        started(incident="A"),
        entry("operator", 2, incident="A", by="bob"),
        entry("phase", 3, incident="A", phase="held"),
    ]
    journal.append(written, entries)
    assert [str(fault) for fault in audit.verify(written, "A").broken] == [
        "incident A, event 3: it is not the event that was anchored"
    ]


def test_an_entry_after_the_end_is_anchored_as_well(written: Store) -> None:
    journal.append(written, [step(9, "late", "undone", incident="A")])
    assert audit.verify(written).broken == ()
    as_the_owner(written, "DELETE FROM events WHERE incident = 'A' AND seq = 4")
    assert "cut off" in str(audit.verify(written, "A").broken[0])


def test_erasing_leaves_the_chain_whole_and_the_others_untouched(written: Store) -> None:
    assert audit.erase(written, "A") == 3
    assert audit.erase(written, "A") == 0
    assert audit.verify(written).broken == ()
    assert [event.payload for event in journal.events(written, "A")] == [None] * 3
    assert journal.events(written, "B")[1].payload == {"by": "ann"}
    assert [event.kind for event in journal.events(written, "A")] == ["incident-started", "operator", "incident-ended"]


def test_an_incident_that_was_erased_can_go_on(store: Store) -> None:
    journal.append(store, [started()])
    audit.erase(store, "I")
    journal.append(store, [entry("phase", 2, phase="planning"), ended(3)])
    assert audit.verify(store).broken == ()
    found = incidents.incident(store, "I")
    assert found is not None
    assert found.ended_at is not None
