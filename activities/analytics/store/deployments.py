"""Deploy events: kept once, however often they are told, and durable before the teller hears so."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Select, delete, select
from sqlmodel import Session, col

from activities.analytics.store.engine import Store, serialise
from models.deployment import DeployEvent
from models.tables import DeploymentRow

NEWEST = 200
"""Events that are kept of a service in a region, and of what has no place in the catalog."""


def record(store: Store, events: Sequence[DeployEvent]) -> list[DeployEvent]:
    """Keep the *events* of one deployment, one for each place, unless its reference is known: then what is kept of it.

    Empty: it was new. What had no place may be told again once the catalog has one for it. Raises
    :class:`~activities.analytics.store.engine.StoreUnavailable`: nothing was kept.
    """
    first = events[0]
    told = (col(DeploymentRow.source) == first.source, col(DeploymentRow.reference) == first.reference)
    with store.write() as connection, Session(connection) as session:
        serialise(connection, f"sternway:deployment:{first.source}:{first.reference}")
        known = _read(session, select(DeploymentRow).where(*told).order_by(col(DeploymentRow.id)))
        if any(event.service is not None for event in known):
            return known
        connection.execute(delete(DeploymentRow).where(*told))
        for event in events:
            session.add(DeploymentRow(**event.model_dump()))
            session.flush()
            _prune(connection, event)
    return []


def deployments(store: Store, service: str, region: str, limit: int = NEWEST) -> list[DeployEvent]:
    """Of one service in one region, newest first."""
    return _newest(store, service, region, limit)


def unrouted(store: Store, limit: int = NEWEST) -> list[DeployEvent]:
    """What has no place in the catalog, newest first, each with the reason."""
    return _newest(store, None, None, limit)


def _newest(store: Store, service: str | None, region: str | None, limit: int) -> list[DeployEvent]:
    query = select(DeploymentRow).where(*_at(service, region)).order_by(*_NEWEST_FIRST).limit(limit)
    with store.read() as connection, Session(connection) as session:
        return _read(session, query)


def _read(session: Session, query: Select[DeploymentRow]) -> list[DeployEvent]:
    return [
        DeployEvent.model_validate({field: getattr(row, field) for field in DeployEvent.model_fields})
        for row in session.scalars(query)
    ]


def _prune(connection: Connection, event: DeployEvent) -> None:
    """Forget what lies beyond the newest of the event's place, so that the table stays bounded."""
    place = _at(event.service, event.region)
    kept = select(col(DeploymentRow.id)).where(*place).order_by(*_NEWEST_FIRST).limit(NEWEST)
    beyond = delete(DeploymentRow).where(*place, col(DeploymentRow.id).not_in(kept))
    connection.execute(beyond)


def _at(service: str | None, region: str | None) -> tuple[ColumnElement[bool], ...]:
    return (
        col(DeploymentRow.service).is_not_distinct_from(service),
        col(DeploymentRow.region).is_not_distinct_from(region),
    )


_NEWEST_FIRST = (col(DeploymentRow.at).desc(), col(DeploymentRow.id).desc())
