"""The journal: one append-only hash chain for each incident or prevention; its head is anchored once that has ended."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import Connection, insert, select
from sqlmodel import Session

from activities.analytics.store import chain
from activities.analytics.store.engine import Store, serialise
from activities.analytics.store.projection import project
from models.base import Frozen, Time
from models.incident import Phase
from models.journal import JournalEntry
from models.tables import IncidentRow, metadata

ENDS = ("incident-ended", "prevention-ended")
"""After one of these a chain is anchored."""

_log = structlog.get_logger(__name__)
_events = metadata.tables["events"]
_anchors = metadata.tables["anchors"]


class Event(Frozen):
    """One recorded entry."""

    incident: str
    seq: int
    source: str
    source_seq: int
    kind: str
    at: Time
    payload: dict[str, Any] | None
    """None: erased."""
    hash: str


def append(store: Store, entries: Sequence[JournalEntry]) -> int:
    """Record *entries* and let the rows of incidents and steps follow, in one durable transaction.

    An entry that is recorded already (the same source and number) is left as it is. Entries of one source must come in
    order. Returns how many were new. Raises :class:`~activities.analytics.store.engine.StoreUnavailable`.
    """
    by_incident = sorted(entries, key=lambda entry: entry.incident)
    new = 0
    with store.write() as connection, Session(connection) as session:
        groups = {incident: list(group) for incident, group in groupby(by_incident, lambda entry: entry.incident)}
        for incident in groups:  # in order, so that two writers never wait for each other
            serialise(connection, f"sternway:journal:{incident}")
        for incident, group in groups.items():
            fresh = _not_recorded(connection, incident, group)
            if fresh:
                new += len(fresh)
                _extend(session, incident, fresh)
    return new


def append_to_open(store: Store, entry: JournalEntry, unless: Collection[Phase]) -> bool:
    """Record *entry* if its incident is open and in none of the phases *unless*; whether it was so.

    The look and the record are one: what ends in the meantime, or is told by another process, is not told anew.
    """
    with store.write() as connection, Session(connection) as session:
        serialise(connection, f"sternway:journal:{entry.incident}")
        row = session.get(IncidentRow, entry.incident)
        if row is None or row.ended_at is not None or row.phase in unless:
            return False
        _extend(session, entry.incident, [entry])
    return True


def events(store: Store, incident: str) -> list[Event]:
    """An incident's journal, in the order in which it was recorded."""
    query = select(_events).where(_events.c.incident == incident).order_by(_events.c.seq)
    with store.read() as connection:
        rows = connection.execute(query).mappings().all()
    return [
        Event.model_validate(
            {field: row[field] for field in Event.model_fields}
            | {"payload": json.loads(row["payload"]) if row["payload"] is not None else None}
        )
        for row in rows
    ]


def _not_recorded(connection: Connection, incident: str, entries: Sequence[JournalEntry]) -> list[JournalEntry]:
    numbers = [entry.source_seq for entry in entries]
    recorded = select(_events.c.source, _events.c.source_seq, _events.c.kind, _events.c.at).where(
        _events.c.incident == incident,
        _events.c.source.in_({entry.source for entry in entries}),
        _events.c.source_seq.between(min(numbers), max(numbers)),
    )
    known = {(row.source, row.source_seq): (row.kind, row.at) for row in connection.execute(recorded)}
    fresh: list[JournalEntry] = []
    for entry in entries:
        number = (entry.source, entry.source_seq)
        if number not in known:
            known[number] = (entry.kind, entry.at)
            fresh.append(entry)
        elif known[number] != (entry.kind, entry.at):
            place = {"incident": incident, "source": entry.source, "source_seq": entry.source_seq, "kind": entry.kind}
            _log.error("journal entry dropped: its source has used this number for another entry", **place)
    return fresh


def _extend(session: Session, incident: str, entries: Sequence[JournalEntry]) -> None:
    connection = session.connection()
    links = chain.extend(_head(connection, incident), entries, [secrets.token_hex(16) for _ in entries])
    connection.execute(insert(_events), [asdict(link) for link in links])
    for entry, link in zip(entries, links, strict=True):
        project(session, entry, link)
    session.flush()
    if _ended(connection, incident):
        _anchor(connection, links[-1])


def _head(connection: Connection, incident: str) -> chain.Head:
    newest = select(_events.c.seq, _events.c.hash).where(_events.c.incident == incident)
    row = connection.execute(newest.order_by(_events.c.seq.desc()).limit(1)).first()
    return chain.Head(row.seq, row.hash) if row else chain.Head()


def _ended(connection: Connection, incident: str) -> bool:
    end = select(_events.c.seq).where(_events.c.incident == incident, _events.c.kind.in_(ENDS))
    return connection.execute(end.limit(1)).first() is not None


def _anchor(connection: Connection, link: chain.Link) -> None:
    """Add the incident's head to the chain of heads; an entry that comes after the end anchors it anew."""
    serialise(connection, "sternway:anchors")
    newest = select(_anchors.c.seq, _anchors.c.hash).order_by(_anchors.c.seq.desc()).limit(1)
    row = connection.execute(newest).first()
    head = chain.Head(row.seq, row.hash) if row else chain.Head()
    anchored = chain.anchor(head, link.incident, chain.Head(link.seq, link.hash), link.at)
    connection.execute(insert(_anchors), asdict(anchored))
