"""From journal entries to the rows that follow them: incidents, steps, receipts, points, holds; in one transaction.

The rows are for reading and can be behind nothing; the journal is what happened. An entry whose payload a row cannot
follow is still recorded, and logged: a mistake in a report must not hold up the reports after it.
"""

from __future__ import annotations

import json
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy import select
from sqlmodel import Session, col

from activities.analytics.store import holds, points
from activities.analytics.store.chain import Link
from models.incident import Pause, Phase
from models.journal import (
    PAYLOADS,
    AlertsJoined,
    Ended,
    HoldLifted,
    JournalEntry,
    MilestoneReached,
    OperatorSaid,
    Payload,
    PhaseEntered,
    PlanMade,
    PointTaken,
    ReceiptKept,
    ReleaseHeld,
    Started,
    StepReported,
    VerdictReached,
)
from models.tables import EventRow, IncidentRow, ReceiptRow, StepRow

_log = structlog.get_logger(__name__)


def project(session: Session, entry: JournalEntry, link: Link) -> None:
    """Let the rows follow *entry*, which *link* has recorded."""
    payload = _read(entry)
    if payload is None:
        return
    if isinstance(payload, StepReported):
        _report_step(session, entry, payload, link.seq)
    elif isinstance(payload, ReceiptKept):
        _keep_receipt(session, entry, payload)
    elif isinstance(payload, Started):
        _start(session, entry, payload, link.seq)
    elif isinstance(payload, PointTaken):
        points.add(session, payload)
    elif isinstance(payload, ReleaseHeld):
        holds.begin(session, entry.incident, entry.at, payload)
    elif isinstance(payload, HoldLifted):
        holds.end(session, entry.incident, entry.at, payload)
    else:
        incident = session.get(IncidentRow, entry.incident)
        if incident is not None:
            _follow(incident, entry, payload)


def _read(entry: JournalEntry) -> Payload | None:
    model = PAYLOADS.get(entry.kind)
    if model is None:
        return None
    try:
        return model.model_validate(entry.payload)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        place = {"incident": entry.incident, "source": entry.source, "source_seq": entry.source_seq}
        _log.error("journal entry recorded but not projected", kind=entry.kind, faults=faults, **place)
        return None


def _start(session: Session, entry: JournalEntry, started: Started, seq: int) -> None:
    if session.get(IncidentRow, entry.incident) is not None:
        return
    incident = IncidentRow(
        id=entry.incident,
        workflow=started.workflow,
        region=started.region,
        service=started.service,
        severity=started.severity,
        level=started.level,
        reason=started.reason,
        catalog=started.catalog,
        received_at=started.received_at,
        phase=Phase.PROTECTING,
        detail="",
        sentence="",
        impact=started.impact.model_dump(mode="json") if started.impact else None,
        milestones={},
        alerts=len(started.alerts),
    )
    session.add(incident)
    for earlier in _recorded_before(session, entry.incident, seq):
        payload = _read(earlier)
        if payload is not None:
            _follow(incident, earlier, payload)


def _recorded_before(session: Session, incident: str, seq: int) -> list[JournalEntry]:
    """What a child workflow reported before its parent's first entry arrived."""
    events = select(EventRow).where(col(EventRow.incident) == incident, col(EventRow.seq) < seq)
    return [
        JournalEntry(
            incident=incident,
            source=event.source,
            source_seq=event.source_seq,
            kind=event.kind,
            at=event.at,
            payload=json.loads(event.payload),
        )
        for event in session.scalars(events.order_by(col(EventRow.seq)))
        if event.payload is not None
    ]


def _follow(incident: IncidentRow, entry: JournalEntry, payload: Payload) -> None:
    if incident.phase is Phase.ABORTED and incident.ended_at:
        return  # ended from outside: a workflow that comes back changes nothing, and what it says of itself is journal
    if isinstance(payload, PhaseEntered):
        incident.phase, incident.detail = payload.phase, payload.detail
    elif isinstance(payload, MilestoneReached):
        incident.milestones = {payload.name: payload.at.isoformat(), **incident.milestones}
    elif isinstance(payload, PlanMade):
        incident.plan = entry.payload
        incident.strategy, incident.target = payload.strategy, payload.target
    elif isinstance(payload, VerdictReached):
        incident.verdict = payload.model_dump(mode="json")
    elif isinstance(payload, AlertsJoined):
        incident.alerts += payload.count
        incident.severity = payload.severity or incident.severity
    elif isinstance(payload, OperatorSaid):
        _follow_pause(incident, entry, payload)
    elif isinstance(payload, Ended):
        incident.phase, incident.sentence = payload.phase, payload.sentence
        incident.strategy, incident.target = payload.strategy, payload.target
        incident.verdict = payload.verdict.model_dump(mode="json") if payload.verdict else incident.verdict
        reached = {name: at.isoformat() for name, at in payload.milestones.items()}
        incident.milestones = {**reached, **incident.milestones}
        incident.ended_at = entry.at
        incident.paused = None


def _follow_pause(incident: IncidentRow, entry: JournalEntry, said: OperatorSaid) -> None:
    """An abort ends a pause too: what was stopped is undone. Every other word leaves it as it is."""
    if said.action == "pause":
        incident.paused = Pause(by=said.by, reason=said.reason, since=entry.at).model_dump(mode="json")
    elif said.action in ("resume", "abort"):
        incident.paused = None


def _report_step(session: Session, entry: JournalEntry, reported: StepReported, seq: int) -> None:
    source = reported.taken_by or entry.source
    step = session.get(StepRow, (entry.incident, source, reported.step))
    values: dict[str, Any] = {**reported.model_dump(exclude={"taken_by"}), "at": entry.at}
    if step is None:
        session.add(StepRow(incident=entry.incident, source=source, first_seq=seq, **values))
        return
    for field, value in values.items():
        setattr(step, field, value)


def _keep_receipt(session: Session, entry: JournalEntry, kept: ReceiptKept) -> None:
    receipt = kept.receipt
    session.merge(
        ReceiptRow(
            key=receipt.key,
            incident=entry.incident,
            source=kept.taken_by or entry.source,
            step=kept.step,
            at=receipt.at,
            receipt=receipt.model_dump(mode="json"),
        )
    )
