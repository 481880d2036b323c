"""What is wanted of guards: taken, renewed and lifted like any lease, and numbered by region with each change."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, exists, select, update
from sqlmodel import Session, col

from activities.analytics.store.engine import Store, serialise
from models.intent import Intent, IntentRequest, Told, strictest
from models.tables import IntentEpochRow, IntentRow

KEPT = timedelta(days=30)
"""For which one that has ended is kept: a late call finds that it has, and people find who has said what."""


def take(store: Store, request: IntentRequest, now: datetime) -> Intent:
    """Let it live so long from *now*, also where it had lapsed: nobody could be told in time. One that was lifted stays
    so. What is wanted is as it was taken first."""
    with store.write() as connection, Session(connection) as session:
        _serialise(connection, request.region)
        row = session.get(IntentRow, request.id)
        if row is not None and row.lifted:
            return _intent(row)
        holds = row is not None and row.ended_at is None
        row = row or _row(request, now)
        row.expires_at, row.ended_at = now + timedelta(seconds=request.seconds), None
        session.add(row)
        session.flush()
        if not holds:
            connection.execute(delete(IntentRow).where(col(IntentRow.ended_at) < now - KEPT))
            _advance(session, request.region)
        return _intent(row)


def lift(store: Store, request: IntentRequest, now: datetime) -> Intent:
    """End it. One that was never taken is ended by this, so that a late :func:`take` finds it so."""
    with store.write() as connection, Session(connection) as session:
        _serialise(connection, request.region)
        row = session.get(IntentRow, request.id) or _row(request, now)
        held = not row.lifted and row.ended_at is None
        row.lifted, row.ended_at = True, row.ended_at or now
        session.add(row)
        session.flush()
        if held:
            _advance(session, request.region)
        return _intent(row)


def lift_those(store: Store, region: str, ids: Collection[str], now: datetime) -> int:
    """End those of a region that hold, by id; how many there were."""
    with store.write() as connection, Session(connection) as session:
        _serialise(connection, region)
        known = (col(IntentRow.region) == region, col(IntentRow.id).in_(ids), col(IntentRow.ended_at).is_(None))
        ended = connection.execute(update(IntentRow).where(*known).values(ended_at=now, lifted=True)).rowcount
        if ended:
            _advance(session, region)
        return ended


def lapse(store: Store, region: str, now: datetime) -> int:
    """End those of a region whose time is over; how many there were. Where there are none, nothing is written."""
    over = (col(IntentRow.region) == region, col(IntentRow.ended_at).is_(None), col(IntentRow.expires_at) <= now)
    with store.read() as connection:
        if not connection.execute(select(exists().where(*over))).scalar_one():
            return 0
    with store.write_in_background() as connection, Session(connection) as session:
        _serialise(connection, region)
        ended = connection.execute(update(IntentRow).where(*over).values(ended_at=now)).rowcount
        if ended:
            _advance(session, region)
        return ended


def holding(store: Store, region: str) -> list[Intent]:
    """Those of a region that have not ended."""
    with store.read() as connection, Session(connection) as session:
        return _holding(session, region)


def state(store: Store, region: str) -> tuple[int, dict[str, Told]]:
    """The region's epoch, and what the guards of each target are told."""
    with store.read() as connection, Session(connection) as session:
        row = session.get(IntentEpochRow, region)
        by_target: dict[str, list[Intent]] = {}
        for intent in _holding(session, region):
            by_target.setdefault(intent.target, []).append(intent)
        return row.epoch if row else 0, {target: strictest(intents) for target, intents in by_target.items()}


def _holding(session: Session, region: str) -> list[Intent]:
    query = select(IntentRow).where(col(IntentRow.region) == region, col(IntentRow.ended_at).is_(None))
    return [_intent(row) for row in session.scalars(query.order_by(col(IntentRow.id)))]


def _serialise(connection: Connection, region: str) -> None:
    serialise(connection, f"sternway:intents:{region}")


def _advance(session: Session, region: str) -> None:
    row = session.get(IntentEpochRow, region) or IntentEpochRow(region=region, epoch=0)
    row.epoch += 1
    session.add(row)
    session.flush()


def _row(request: IntentRequest, now: datetime) -> IntentRow:
    return IntentRow(**request.model_dump(exclude={"seconds"}), since=now, expires_at=now)


def _intent(row: IntentRow) -> Intent:
    return Intent.model_validate({field: getattr(row, field) for field in Intent.model_fields})
