"""Rollback points. Expired and invalid ones are kept and marked, and never chosen."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from activities.analytics.store.engine import Store
from models.base import Frozen, SternwayError
from models.point import RollbackPoint
from models.tables import PointRow
from models.verdict import Finding


class StoredPoint(Frozen):
    id: int
    point: RollbackPoint


def add(store: Store, point: RollbackPoint) -> int:
    """Keep the point; returns its id."""
    with store.write() as connection, Session(connection) as session:
        row = PointRow(**point.model_dump())
        session.add(row)
        session.flush()
        return _stored(row).id


def newest_valid(
    store: Store, service: str, region: str, now: datetime, besides: frozenset[str] = frozenset()
) -> StoredPoint | None:
    """The newest point that was healthy, still holds at *now*, and is of none of the releases *besides*."""
    query = select(PointRow).where(
        col(PointRow.service) == service,
        col(PointRow.region) == region,
        col(PointRow.valid).is_(True),
        col(PointRow.health) == Finding.PASS,
        col(PointRow.expires_at) > now,
        col(PointRow.release).not_in(besides),
    )
    newest = query.order_by(col(PointRow.taken_at).desc(), col(PointRow.id).desc()).limit(1)
    with store.read() as connection, Session(connection) as session:
        row = session.scalars(newest).first()
        return _stored(row) if row else None


def points(store: Store, service: str, region: str, limit: int = 50) -> list[StoredPoint]:
    """The newest points first, whether they hold or not."""
    query = select(PointRow).where(col(PointRow.service) == service, col(PointRow.region) == region)
    newest = query.order_by(col(PointRow.taken_at).desc(), col(PointRow.id).desc()).limit(limit)
    with store.read() as connection, Session(connection) as session:
        return [_stored(row) for row in session.scalars(newest)]


def invalidate(store: Store, id: int, reason: str) -> None:
    """Never choose this point again, and say why. Raises :class:`~models.base.SternwayError` for an unknown id."""
    with store.write() as connection, Session(connection) as session:
        row = session.get(PointRow, id)
        if row is None:
            raise SternwayError(f"there is no rollback point {id}")
        row.valid, row.reason = False, reason
        session.flush()


def _stored(row: PointRow) -> StoredPoint:
    point = RollbackPoint.model_validate({field: getattr(row, field) for field in RollbackPoint.model_fields})
    return StoredPoint.model_validate({"id": row.id, "point": point})
