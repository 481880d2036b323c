"""Which incident has an alert: asked by the gateway before the incident's own journal has said anything."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, exists, select
from sqlmodel import Session, col

from activities.analytics.store.deliveries import StoredAlert, stored_alert
from activities.analytics.store.engine import Store
from models.alert import AlertState
from models.tables import AlertRow, DeliveryRow, IncidentRow


def of_incident(store: Store, incident: str) -> StoredAlert | None:
    """The first alert that the incident has; all of them are of one region and service."""
    return _first(store, select(AlertRow).where(col(AlertRow.incident) == incident))


def unrecorded(store: Store, before: datetime) -> dict[str, list[StoredAlert]]:
    """The alerts of incidents whose journal never began though they came *before* that; by incident, oldest first."""
    known = exists().where(col(IncidentRow.id) == col(AlertRow.incident))
    query = select(AlertRow).where(col(AlertRow.state) == AlertState.STARTED, ~known).order_by(col(AlertRow.id))
    found: dict[str, list[StoredAlert]] = {}
    with store.read() as connection, Session(connection) as session:
        for row in session.scalars(query.where(col(AlertRow.received_at) < before)):
            found.setdefault(row.incident or "", []).append(stored_alert(row))
    return found


def of_delivery(store: Store, source: str, digest: str) -> StoredAlert | None:
    """The first alert of the oldest delivery with this digest, whatever became of it."""
    delivered = col(DeliveryRow.id) == col(AlertRow.delivery_id)
    same = (col(DeliveryRow.source) == source, col(DeliveryRow.digest) == digest)
    return _first(store, select(AlertRow).join(DeliveryRow, delivered).where(*same))


def _first(store: Store, query: Select[AlertRow]) -> StoredAlert | None:
    with store.read() as connection, Session(connection) as session:
        row = session.scalars(query.order_by(col(AlertRow.id)).limit(1)).first()
        return stored_alert(row) if row else None
