"""Rollback points. Expired and invalid ones are kept for a while and marked, and never chosen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, or_, select, update
from sqlmodel import Session, col

from activities.analytics.store.engine import Store, serialise
from models.base import Frozen
from models.point import RollbackPoint, Why
from models.tables import HoldRow, IncidentRow, PointRow
from models.verdict import Finding, Verdict

NEWEST = 5
"""Valid points that are kept of each release of a service in a region, and of each reason to make one."""

MARKED = timedelta(days=30)
"""For which a point is kept that is not valid any more, counted from the end of its time."""


class StoredPoint(Frozen):
    id: int
    point: RollbackPoint


def add(session: Session, point: RollbackPoint) -> StoredPoint:
    """Keep the point, inside somebody's transaction."""
    row = PointRow(**point.model_dump(include=set(RollbackPoint.model_fields)))
    session.add(row)
    session.flush()
    return _stored(row)


def keep(store: Store, point: RollbackPoint, good_until: datetime) -> StoredPoint | None:
    """Keep a point of a healthy release, unless there is one like it that is good beyond *good_until*.

    None too where its release is held, or an incident of its service is open there: what is measured then may be the
    protection's doing. The looks and the record are one, so that two processes never make two of it.
    """
    with store.write_in_background() as connection, Session(connection) as session:
        serialise(connection, f"sternway:points:{point.region}/{point.service}")
        against = or_(
            exists().where(_usable(good_until), *_alike(point)),
            exists().where(*_at(HoldRow, point), *_in_force(point)),
            exists().where(*_at(IncidentRow, point), col(IncidentRow.ended_at).is_(None)),
        )
        if connection.execute(select(against)).scalar_one():
            return None
        return add(session, point)


def point(store: Store, id: int) -> StoredPoint | None:
    with store.read() as connection, Session(connection) as session:
        row = session.get(PointRow, id)
        return _stored(row) if row else None


def points(store: Store, service: str | None = None, region: str | None = None, limit: int = 50) -> list[StoredPoint]:
    """The newest points first, whether they hold or not; of one service or region, or of all."""
    query = select(PointRow)
    if service is not None:
        query = query.where(col(PointRow.service) == service)
    if region is not None:
        query = query.where(col(PointRow.region) == region)
    return _read(store, query.order_by(*_NEWEST_FIRST).limit(limit))


def not_marked(store: Store) -> list[StoredPoint]:
    """All that are not known to be invalid: what is to be checked again."""
    return _read(store, select(PointRow).where(col(PointRow.valid).is_(True)).order_by(*_NEWEST_FIRST))


def note(store: Store, found: Mapping[int, Verdict], at: datetime) -> None:
    """Note what a check said of each point at that time; one that fails is never to be chosen again."""
    with store.write_in_background() as connection:
        for id, verdict in found.items():
            values: dict[str, object] = {"checked_at": at, "check_said": verdict.sentence}
            if verdict.finding is Finding.FAIL:
                values |= {"valid": False, "reason": verdict.sentence}
            still_valid = update(PointRow).where(col(PointRow.id) == id, col(PointRow.valid).is_(True))
            connection.execute(still_valid.values(values))


def disown(session: Session, service: str, region: str, release: str, reason: str) -> None:
    """Never choose a point of this release again, inside somebody's transaction; a later soak makes a new one."""
    of_release = (col(PointRow.service) == service, col(PointRow.region) == region, col(PointRow.release) == release)
    owned = update(PointRow).where(*of_release, col(PointRow.valid).is_(True))
    session.connection().execute(owned.values(valid=False, reason=reason))


def prune(store: Store, now: datetime) -> int:
    """Forget what is kept no longer, so that the table stays bounded; returns how many points that were."""
    place = func.row_number().over(
        partition_by=[col(getattr(PointRow, name)) for name in ("service", "region", "release", "why", "valid")],
        order_by=_NEWEST_FIRST,
    )
    ranked = select(col(PointRow.id), place.label("place")).subquery()
    surplus = select(ranked.c.id).where(ranked.c.place > NEWEST)
    forgotten = or_(
        and_(col(PointRow.valid).is_(True), col(PointRow.id).in_(surplus)),
        and_(col(PointRow.valid).is_(False), col(PointRow.expires_at) < now - MARKED),
    )
    with store.write_in_background() as connection:
        return connection.execute(delete(PointRow).where(forgotten)).rowcount


_NEWEST_FIRST = (col(PointRow.taken_at).desc(), col(PointRow.id).desc())


def _usable(now: datetime) -> ColumnElement[bool]:
    """:meth:`models.point.RollbackPoint.usable`, as a condition."""
    return and_(
        col(PointRow.why) == Why.HEALTHY,
        col(PointRow.health) == Finding.PASS,
        col(PointRow.valid).is_(True),
        col(PointRow.expires_at) > now,
    )


def _at(table: type[PointRow | HoldRow | IncidentRow], point: RollbackPoint) -> tuple[ColumnElement[bool], ...]:
    return col(table.service) == point.service, col(table.region) == point.region


def _in_force(point: RollbackPoint) -> tuple[ColumnElement[bool], ...]:
    return col(HoldRow.release) == point.release, col(HoldRow.lifted_at).is_(None)


def _alike(point: RollbackPoint) -> list[ColumnElement[bool]]:
    """Of the same release. Its replicas may differ: autoscaling moves them all the time."""
    return [*_at(PointRow, point), col(PointRow.release) == point.release]


def _read(store: Store, query: Select[PointRow]) -> list[StoredPoint]:
    with store.read() as connection, Session(connection) as session:
        return [_stored(row) for row in session.scalars(query)]


def _stored(row: PointRow) -> StoredPoint:
    point = RollbackPoint.model_validate({field: getattr(row, field) for field in RollbackPoint.model_fields})
    return StoredPoint.model_validate({"id": row.id, "point": point})
