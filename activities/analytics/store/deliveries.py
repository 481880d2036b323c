"""Deliveries and their alerts: durable before the sender hears "accepted", and pending until an incident has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, exists, func, insert, select, update
from sqlmodel import Session, col

from activities.analytics.store.engine import Store, serialise
from models.alert import BY_URGENCY, Alert, AlertReference, AlertState
from models.base import Frozen, Time
from models.tables import AlertRow, DeliveryRow, metadata

KEPT_HEADERS = frozenset(
    {"content-type", "content-encoding", "user-agent", "traceparent", "x-request-id", "x-github-event"}
    | {"x-github-delivery", "sentry-hook-resource", "x-amz-sns-message-type", "x-amz-sns-message-id"}
)
"""Headers that are stored, beside ``ce-…``. All others may hold a secret, and are dropped."""

IDS_IN_ONE_STATEMENT = 5_000
"""Both engines bound the parameters of a statement; 32,766 is the lower bound."""

_deliveries = metadata.tables["deliveries"]
_alerts = metadata.tables["alerts"]


class Persisted(Frozen):
    delivery_id: int
    alert_ids: tuple[int, ...]
    """In the order of the alerts as they were given."""
    duplicate: bool
    """An equal delivery still has pending alerts; these are its ids, and nothing was stored."""


class StoredAlert(Frozen):
    id: int
    delivery_id: int
    received_at: Time
    alert: Alert
    state: AlertState
    incident: str | None
    reason: str

    def reference(self) -> AlertReference:
        """What a workflow is given of it."""
        kept = self.alert.model_dump(include={"fingerprint", "status", "severity", "starts_at", "name", "summary"})
        return AlertReference(id=self.id, received_at=self.received_at, **kept)


class StoredDelivery(Frozen):
    id: int
    source: str
    digest: str
    received_at: Time
    body: bytes
    headers: dict[str, str]
    quarantine_reason: str | None


class Counts(Frozen):
    pending: int
    oldest_pending: Time | None
    """When the oldest alert that still waits was received."""
    unrouted: int
    quarantined: int

    def oldest_pending_age(self, now: datetime) -> timedelta:
        """How long the oldest pending alert has waited; zero where none waits."""
        return now - self.oldest_pending if self.oldest_pending else timedelta()


def persist(
    store: Store,
    source: str,
    body: bytes,
    digest: str,
    received_at: datetime,
    alerts: Sequence[Alert],
    quarantine_reason: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Persisted:
    """Store a delivery with its alerts in one durable transaction; they are pending from then on.

    *digest* is the delivery's identity within its source. A delivery that repeats one whose alerts are still pending
    is a duplicate; after that it is stored anew, for it may open the next incident. Of *headers* those in
    :data:`KEPT_HEADERS` are kept. Raises :class:`~activities.analytics.store.engine.StoreUnavailable`: nothing stored.
    """
    with store.write() as connection:
        serialise(connection, f"sternway:delivery:{source}:{digest}")
        earlier = _pending_twin(connection, source, digest)
        if earlier is not None:
            return Persisted(delivery_id=earlier, alert_ids=_alert_ids(connection, earlier), duplicate=True)
        delivery: int = connection.execute(
            insert(_deliveries).returning(_deliveries.c.id),
            {
                "source": source,
                "digest": digest,
                "received_at": received_at,
                "body": body,
                "headers": _kept(headers or {}),
                "quarantine_reason": quarantine_reason,
            },
        ).scalar_one()
        if not alerts:
            return Persisted(delivery_id=delivery, alert_ids=(), duplicate=False)
        rows = [_row(alert, delivery, position, received_at) for position, alert in enumerate(alerts)]
        connection.execute(insert(_alerts), rows)
        return Persisted(delivery_id=delivery, alert_ids=_alert_ids(connection, delivery), duplicate=False)


def pending(store: Store, limit: int = 100) -> list[StoredAlert]:
    """Alerts that no incident has yet: critical ones first, then by their order of arrival."""
    found: list[AlertRow] = []
    with store.read() as connection, Session(connection) as session:
        for severity in BY_URGENCY:
            if len(found) < limit:
                query = select(AlertRow).where(
                    col(AlertRow.state) == AlertState.PENDING, col(AlertRow.severity) == severity
                )
                found += session.scalars(query.order_by(col(AlertRow.id)).limit(limit - len(found)))
        return [stored_alert(row) for row in found]


def mark(
    store: Store, alert_ids: Iterable[int], state: AlertState, incident: str | None = None, reason: str = ""
) -> None:
    """Say what became of these alerts. A *started* alert needs the incident that has it."""
    if state is AlertState.STARTED and incident is None:
        raise ValueError("an alert is started by an incident: say which")
    with store.write() as connection:
        change = update(_alerts).values(state=state, incident=incident, reason=reason)
        ids = list(alert_ids)
        for start in range(0, len(ids), IDS_IN_ONE_STATEMENT):
            chunk = ids[start : start + IDS_IN_ONE_STATEMENT]
            connection.execute(change.where(_alerts.c.id.in_(chunk)))


def unrouted(store: Store, limit: int = 100) -> list[StoredAlert]:
    """The newest alerts for which the catalog has no service or region."""
    query = select(AlertRow).where(col(AlertRow.state) == AlertState.UNROUTED)
    with store.read() as connection, Session(connection) as session:
        return [stored_alert(row) for row in session.scalars(query.order_by(col(AlertRow.id).desc()).limit(limit))]


def quarantined(store: Store, limit: int = 100) -> list[StoredDelivery]:
    """The newest deliveries that were authentic and could not be read."""
    query = select(DeliveryRow).where(col(DeliveryRow.quarantine_reason).is_not(None))
    with store.read() as connection, Session(connection) as session:
        rows = session.scalars(query.order_by(col(DeliveryRow.id).desc()).limit(limit))
        return [StoredDelivery.model_validate(row, from_attributes=True) for row in rows]


def delivery(store: Store, id: int) -> StoredDelivery | None:
    """One delivery as it came."""
    with store.read() as connection, Session(connection) as session:
        row = session.get(DeliveryRow, id)
        return StoredDelivery.model_validate(row, from_attributes=True) if row else None


def counts(store: Store) -> Counts:
    """What the metrics show."""
    with store.read() as connection:
        waiting = select(func.count(), func.min(_alerts.c.received_at)).where(_alerts.c.state == AlertState.PENDING)
        number, oldest = connection.execute(waiting).one()
        lost = select(func.count()).select_from(_alerts).where(_alerts.c.state == AlertState.UNROUTED)
        unread = select(func.count()).select_from(_deliveries).where(_deliveries.c.quarantine_reason.is_not(None))
        return Counts(
            pending=number,
            oldest_pending=oldest,
            unrouted=connection.execute(lost).scalar_one(),
            quarantined=connection.execute(unread).scalar_one(),
        )


def _pending_twin(connection: Connection, source: str, digest: str) -> int | None:
    waiting = exists().where(_alerts.c.delivery_id == _deliveries.c.id, _alerts.c.state == AlertState.PENDING)
    twin = select(_deliveries.c.id).where(_deliveries.c.source == source, _deliveries.c.digest == digest, waiting)
    return connection.execute(twin.order_by(_deliveries.c.id.desc()).limit(1)).scalar_one_or_none()


def _alert_ids(connection: Connection, delivery_id: int) -> tuple[int, ...]:
    ids = select(_alerts.c.id).where(_alerts.c.delivery_id == delivery_id).order_by(_alerts.c.position)
    return tuple(connection.execute(ids).scalars())


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    named = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in named.items() if name in KEPT_HEADERS or name.startswith("ce-")}


def _row(alert: Alert, delivery_id: int, position: int, received_at: datetime) -> dict[str, object]:
    values = dict(alert)
    group = values.pop("group")
    return {
        **values,
        "alert_group": group,
        "delivery_id": delivery_id,
        "position": position,
        "received_at": received_at,
        "state": AlertState.PENDING,
        "reason": "",
    }


def stored_alert(row: AlertRow) -> StoredAlert:
    return StoredAlert(
        id=row.id or 0,
        delivery_id=row.delivery_id,
        received_at=row.received_at,
        alert=Alert.model_validate({field: getattr(row, field) for field in Alert.model_fields}),
        state=row.state,
        incident=row.incident,
        reason=row.reason,
    )
