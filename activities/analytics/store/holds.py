"""Release holds, as the journal tells them: begun by a rollback, ended by a person or by a newer release."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlmodel import Session, col

from activities.analytics.store import points
from activities.analytics.store.engine import Store
from models.hold import STERNWAY, HeldRelease, Hold
from models.journal import HoldLifted
from models.tables import HoldRow


def begin(session: Session, incident: str, at: datetime, held: HeldRelease) -> None:
    """Hold the release for *incident*, inside the transaction that records it, and disown the points of it."""
    place = (held.service, held.region, held.release)
    if session.get(HoldRow, (*place, incident)) is not None:
        return
    named = held.model_dump(include=set(HeldRelease.model_fields))
    session.add(HoldRow(**named, incident=incident, since=at))
    points.disown(session, *place, f"{held.release} was rolled away from in incident {incident}")


def end(session: Session, incident: str, at: datetime, lifted: HoldLifted) -> None:
    """Lift the incident's hold, inside the transaction that records it. One that a person has lifted stays as it is."""
    row = session.get(HoldRow, (lifted.service, lifted.region, lifted.release, incident))
    if row is not None and (row.lifted_by is None or row.lifted_by == STERNWAY != lifted.by):
        row.lifted_at, row.lifted_by, row.lifted_reason = at, lifted.by, lifted.reason


def held(store: Store, service: str | None = None, region: str | None = None) -> list[Hold]:
    """The holds in force, newest first; of one service or region, or of all."""
    return _read(store, service, region, col(HoldRow.lifted_at).is_(None))


def standing(
    store: Store, service: str | None = None, region: str | None = None, limit: int | None = None
) -> list[Hold]:
    """Those that no person has lifted (:attr:`models.hold.Hold.stands`), newest first. *limit* None: all of them."""
    by = col(HoldRow.lifted_by)
    return _read(store, service, region, or_(by.is_(None), by == STERNWAY), limit=limit)


def holds(store: Store, service: str | None = None, region: str | None = None, limit: int | None = None) -> list[Hold]:
    """The newest first, lifted or not. *limit* None: all of them."""
    return _read(store, service, region, limit=limit)


def _read(
    store: Store, service: str | None, region: str | None, *which: ColumnElement[bool], limit: int | None = None
) -> list[Hold]:
    query = select(HoldRow).where(*which)
    query = query.order_by(col(HoldRow.since).desc(), col(HoldRow.incident).desc()).limit(limit)
    if service is not None:
        query = query.where(col(HoldRow.service) == service)
    if region is not None:
        query = query.where(col(HoldRow.region) == region)
    with store.read() as connection, Session(connection) as session:
        return [_hold(row) for row in session.scalars(query)]


def _hold(row: HoldRow) -> Hold:
    return Hold.model_validate({field: getattr(row, field) for field in Hold.model_fields})
