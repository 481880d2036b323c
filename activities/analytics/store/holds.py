"""Release holds, as the journal tells them: begun by a rollback, ended by a person or by a newer release."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from activities.analytics.store import points
from activities.analytics.store.engine import Store
from models.hold import HeldRelease, Hold
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
    """Lift the incident's hold, inside the transaction that records it. One that is lifted stays as it is."""
    row = session.get(HoldRow, (lifted.service, lifted.region, lifted.release, incident))
    if row is not None and row.lifted_at is None:
        row.lifted_at, row.lifted_by, row.lifted_reason = at, lifted.by, lifted.reason


def held(store: Store, service: str | None = None, region: str | None = None) -> list[Hold]:
    """The holds that nobody has lifted, newest first; of one service or region, or of all."""
    return holds(store, service, region, in_force_only=True, limit=None)


def holds(
    store: Store, service: str | None, region: str | None, *, in_force_only: bool, limit: int | None
) -> list[Hold]:
    """The newest first. *limit* None: all of them."""
    query = select(HoldRow).order_by(col(HoldRow.since).desc(), col(HoldRow.incident).desc()).limit(limit)
    if service is not None:
        query = query.where(col(HoldRow.service) == service)
    if region is not None:
        query = query.where(col(HoldRow.region) == region)
    if in_force_only:
        query = query.where(col(HoldRow.lifted_at).is_(None))
    with store.read() as connection, Session(connection) as session:
        return [_hold(row) for row in session.scalars(query)]


def _hold(row: HoldRow) -> Hold:
    return Hold.model_validate({field: getattr(row, field) for field in Hold.model_fields})
