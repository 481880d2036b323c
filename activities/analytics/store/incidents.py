"""Incidents, their steps and the steps' receipts, as the journal tells them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from activities.analytics.store.engine import Store
from models.alert import Severity
from models.base import Frozen, Time
from models.catalog import Level
from models.incident import Impact, Pause, Phase, StepRecord
from models.receipt import Receipt
from models.tables import IncidentRow, ReceiptRow, StepRow, metadata
from models.verdict import Verdict


class IncidentInBrief(Frozen):
    """As much of an incident as tells which it is and where it stands."""

    id: str
    workflow: str
    region: str
    service: str
    severity: Severity
    phase: Phase


class StoredIncident(IncidentInBrief):
    level: Level
    reason: str
    catalog: str
    """Digest of the catalog that it began with."""
    received_at: Time
    detail: str
    paused: Pause | None = None
    """Who has paused it; the phase goes on saying what it was about to do."""
    ended_at: Time | None
    """None while it is open. A held incident is open: it waits for a person."""
    sentence: str
    """What it came to; empty while it is open."""
    strategy: str | None
    target: str | None
    plan: dict[str, Any] | None
    """The newest plan as it was reported, with ``hash`` and ``preview``."""
    verdict: Verdict | None
    impact: Impact | None
    milestones: dict[str, Time]
    alerts: int


class StoredStep(Frozen):
    source: str
    """Which workflow took it: step ids are unique within one."""
    record: StepRecord
    receipts: tuple[Receipt, ...]
    """Of the change and, where it was taken back, of that; oldest first."""


def incidents(store: Store, *, open_only: bool = False, limit: int = 50) -> list[StoredIncident]:
    """The newest incidents first."""
    query = select(IncidentRow).order_by(col(IncidentRow.received_at).desc(), col(IncidentRow.id).desc()).limit(limit)
    if open_only:
        query = query.where(col(IncidentRow.ended_at).is_(None))
    with store.read() as connection, Session(connection) as session:
        return [_stored(row) for row in session.scalars(query)]


def of_service(store: Store, region: str, service: str, limit: int) -> list[StoredIncident]:
    """Of one service in one region those that have ended, the newest first."""
    place = (col(IncidentRow.region) == region, col(IncidentRow.service) == service)
    query = select(IncidentRow).where(*place, col(IncidentRow.ended_at).is_not(None))
    newest = query.order_by(col(IncidentRow.received_at).desc(), col(IncidentRow.id).desc()).limit(limit)
    with store.read() as connection, Session(connection) as session:
        return [_stored(row) for row in session.scalars(newest)]


def open_incidents(store: Store, limit: int) -> list[IncidentInBrief]:
    """The newest that have not ended, without what makes reading thousands dear: their plans, impacts, sentences."""
    columns = [metadata.tables["incidents"].c[name] for name in IncidentInBrief.model_fields]
    still_open = select(*columns).where(col(IncidentRow.ended_at).is_(None))
    newest = still_open.order_by(col(IncidentRow.received_at).desc(), col(IncidentRow.id).desc()).limit(limit)
    with store.read() as connection:
        return [IncidentInBrief.model_validate(row, from_attributes=True) for row in connection.execute(newest)]


def incident(store: Store, id: str) -> StoredIncident | None:
    with store.read() as connection, Session(connection) as session:
        row = session.get(IncidentRow, id)
        return _stored(row) if row else None


def steps(store: Store, incident: str) -> list[StoredStep]:
    """The incident's steps in the order in which they were first reported."""
    reported = select(StepRow).where(col(StepRow.incident) == incident).order_by(col(StepRow.first_seq))
    kept = select(ReceiptRow).where(col(ReceiptRow.incident) == incident).order_by(col(ReceiptRow.at))
    with store.read() as connection, Session(connection) as session:
        receipts: dict[tuple[str, str], list[Receipt]] = {}
        for row in session.scalars(kept):
            receipts.setdefault((row.source, row.step), []).append(Receipt.model_validate(row.receipt))
        return [
            StoredStep(
                source=row.source,
                record=StepRecord.model_validate({field: getattr(row, field) for field in StepRecord.model_fields}),
                receipts=tuple(receipts.get((row.source, row.step), ())),
            )
            for row in session.scalars(reported)
        ]


def _stored(row: IncidentRow) -> StoredIncident:
    return StoredIncident.model_validate(row, from_attributes=True)
