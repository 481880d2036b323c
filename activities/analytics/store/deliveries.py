"""Deliveries and their alerts: durable before the sender hears "accepted", and pending until an incident has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, exists, func, insert, select, update
from sqlmodel import Session, col

from activities.analytics.store.bulk import Bound, bind, insert_bound
from activities.analytics.store.engine import Store, serialise
from models.alert import BY_URGENCY, Alert, AlertReference, AlertState, Severity
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

OF_AN_ALERT = tuple(column.name for column in _alerts.c if column.name not in {"id", "delivery_id", "incident"})
"""The columns that are known before the alert is stored."""


@dataclass(frozen=True)
class Prepared:
    """A delivery whose alerts are bound already, so that storing it holds the lock for the writing only."""

    row: Mapping[str, Any]
    alerts: Sequence[Bound]

    @property
    def name(self) -> str:
        """Equal for equal deliveries."""
        return _name(self.row["source"], self.row["digest"])


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


class Waiting(Frozen):
    """The pending alerts of one severity."""

    alerts: int = 0
    oldest: Time | None = None
    """When the one that waits for longest was received."""

    def age(self, now: datetime) -> timedelta:
        """How long the oldest has waited; zero where none waits."""
        return now - self.oldest if self.oldest else timedelta()


class Counts(Frozen):
    pending: dict[Severity, Waiting]
    unrouted: dict[Severity, int]
    quarantined: int


def prepare(
    store: Store,
    source: str,
    body: bytes,
    digest: str,
    received_at: datetime,
    alerts: Sequence[Alert],
    quarantine_reason: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Prepared:
    """A delivery as :func:`persist` takes it. Does not touch the store; takes its time for thousands of alerts.

    *digest* is the delivery's identity within its source. Of *headers* those in :data:`KEPT_HEADERS` are kept.
    """
    row = {
        "source": source,
        "digest": digest,
        "received_at": received_at,
        "body": body,
        "headers": _kept(headers or {}),
        "quarantine_reason": quarantine_reason,
    }
    rows = (_row(alert, position, received_at) for position, alert in enumerate(alerts))
    return Prepared(row, bind(store, _alerts, rows, OF_AN_ALERT))


def persist(store: Store, prepared: Prepared) -> Persisted:
    """Store a delivery with its alerts in one durable transaction; they are pending from then on.

    A delivery that repeats one whose alerts are still pending is a duplicate; after that it is stored anew, for it may
    open the next incident. Raises :class:`~activities.analytics.store.engine.StoreUnavailable`: nothing stored.
    """
    (kept,) = persist_together(store, [prepared])
    return kept


def persist_together(store: Store, several: Sequence[Prepared]) -> list[Persisted]:
    """:func:`persist` for several in one transaction: all of them are durable after it, or none.

    In as many statements as one takes: in a storm those cost more than the rows.
    """
    with store.write() as connection:
        for name in sorted({prepared.name for prepared in several}):  # in order: two writers never wait for each other
            serialise(connection, f"sternway:delivery:{name}")
        waiting = _waiting_twins(connection, several)
        new = [prepared for prepared in _first_of_each(several) if prepared.name not in waiting]
        stored = {id(prepared): row for prepared, row in zip(new, _insert(connection, new), strict=True)}
        waiting |= {prepared.name: stored[id(prepared)] for prepared in new}
        alerts = _alert_ids(connection, {*waiting.values(), *stored.values()})
        return [
            Persisted(
                delivery_id=(delivery := stored.get(id(prepared)) or waiting[prepared.name]),
                alert_ids=alerts[delivery],
                duplicate=id(prepared) not in stored,
            )
            for prepared in several
        ]


def _first_of_each(several: Sequence[Prepared]) -> list[Prepared]:
    """Without those that repeat one before them. One without alerts has nothing that waits, and is always new."""
    first: dict[str, Prepared] = {}
    for prepared in several:
        first.setdefault(prepared.name, prepared)
    return [prepared for prepared in several if first[prepared.name] is prepared or not prepared.alerts]


def _insert(connection: Connection, new: Sequence[Prepared]) -> Sequence[int]:
    """The ids of the deliveries, in their order."""
    if not new:
        return ()
    inserting = insert(_deliveries).returning(_deliveries.c.id, sort_by_parameter_order=True)
    ids = connection.execute(inserting, [dict(prepared.row) for prepared in new]).scalars().all()
    rows = [(delivery, *bound) for delivery, prepared in zip(ids, new, strict=True) for bound in prepared.alerts]
    insert_bound(connection, _alerts, rows, ("delivery_id", *OF_AN_ALERT))
    return ids


def pending(store: Store, limit: int = 100) -> list[StoredAlert]:
    """Alerts that no incident has yet: critical ones first, then by their order of arrival."""
    return load_pending(store, pending_ids(store, limit))


def pending_ids(store: Store, limit: int) -> list[int]:
    """The ids of what :func:`pending` reads: cheap also for thousands."""
    found: list[int] = []
    with store.read() as connection:
        for severity in BY_URGENCY:
            waiting = select(_alerts.c.id).where(_alerts.c.state == AlertState.PENDING, _alerts.c.severity == severity)
            if len(found) < limit:
                found += connection.execute(waiting.order_by(_alerts.c.id).limit(limit - len(found))).scalars()
    return found


def load_pending(store: Store, ids: Sequence[int]) -> list[StoredAlert]:
    """These alerts, in this order, without those that are not pending any more."""
    found: dict[int, StoredAlert] = {}
    with store.read() as connection, Session(connection) as session:
        for chunk in _chunks(ids):
            these = select(AlertRow).where(col(AlertRow.id).in_(chunk), col(AlertRow.state) == AlertState.PENDING)
            found |= {row.id or 0: stored_alert(row) for row in session.scalars(these)}
    return [found[id] for id in ids if id in found]


def mark(
    store: Store, alert_ids: Iterable[int], state: AlertState, incident: str | None = None, reason: str = ""
) -> None:
    """Say what became of these alerts. A *started* alert needs the incident that has it."""
    if state is AlertState.STARTED and incident is None:
        raise ValueError("an alert is started by an incident: say which")
    with store.write() as connection:
        change = update(_alerts).values(state=state, incident=incident, reason=reason)
        for chunk in _chunks(list(alert_ids)):
            connection.execute(change.where(_alerts.c.id.in_(chunk)))


def put_back(store: Store, incident: str, now: datetime) -> int:
    """Let the alerts of an incident that is over wait for another one, as if they came in *now*; how many there were.

    With the time of their own they would be taken for alerts that the incident before has had.
    """
    with store.write() as connection:
        of_incident = update(_alerts).where(_alerts.c.incident == incident, _alerts.c.state == AlertState.STARTED)
        again = {"state": AlertState.PENDING, "incident": None, "received_at": now}
        return connection.execute(of_incident.values(**again, reason=f"begun again after incident {incident}")).rowcount


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
    of_each = (
        select(_alerts.c.state, _alerts.c.severity, func.count(), func.min(_alerts.c.id))
        .where(_alerts.c.state.in_((AlertState.PENDING, AlertState.UNROUTED)))
        .group_by(_alerts.c.state, _alerts.c.severity)  # the index has all of it: cheap also in a storm
    )
    received = select(_alerts.c.received_at)
    pending = {severity: Waiting() for severity in Severity}
    unrouted = dict.fromkeys(Severity, 0)
    with store.read() as connection:
        for state, severity, number, oldest in connection.execute(of_each).all():
            if state is AlertState.UNROUTED:
                unrouted[severity] = number
            else:
                at = connection.execute(received.where(_alerts.c.id == oldest)).scalar_one()
                pending[severity] = Waiting(alerts=number, oldest=at)
        unread = select(func.count()).select_from(_deliveries).where(_deliveries.c.quarantine_reason.is_not(None))
        return Counts(pending=pending, unrouted=unrouted, quarantined=connection.execute(unread).scalar_one())


def answer(store: Store) -> None:
    """Return if alerts can be looked up. Raises :class:`~activities.analytics.store.engine.StoreUnavailable`."""
    with store.read() as connection:
        connection.execute(select(_alerts.c.id).limit(1))


def _waiting_twins(connection: Connection, several: Iterable[Prepared]) -> dict[str, int]:
    """The deliveries that are equal to these and have pending alerts, by their names."""
    digests: dict[str, set[str]] = {}
    for prepared in several:
        digests.setdefault(prepared.row["source"], set()).add(prepared.row["digest"])
    waiting = exists().where(_alerts.c.delivery_id == _deliveries.c.id, _alerts.c.state == AlertState.PENDING)
    newest = select(_deliveries.c.digest, func.max(_deliveries.c.id)).where(waiting).group_by(_deliveries.c.digest)
    found: dict[str, int] = {}
    for source, these in digests.items():
        twins = newest.where(_deliveries.c.source == source, _deliveries.c.digest.in_(these))
        found |= {_name(source, digest): delivery for digest, delivery in connection.execute(twins)}
    return found


def _alert_ids(connection: Connection, delivery_ids: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """The ids of each delivery's alerts, in its order."""
    found: dict[int, list[int]] = {delivery: [] for delivery in delivery_ids}
    of_these = select(_alerts.c.delivery_id, _alerts.c.id).where(_alerts.c.delivery_id.in_(list(found)))
    for delivery, alert in connection.execute(of_these.order_by(_alerts.c.position)):
        found[delivery].append(alert)
    return {delivery: tuple(alerts) for delivery, alerts in found.items()}


def _name(source: str, digest: str) -> str:
    return f"{source}:{digest}"


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), IDS_IN_ONE_STATEMENT):
        yield ids[start : start + IDS_IN_ONE_STATEMENT]


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    named = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in named.items() if name in KEPT_HEADERS or name.startswith("ce-")}


def _row(alert: Alert, position: int, received_at: datetime) -> dict[str, object]:
    values = dict(alert)
    group = values.pop("group")
    return {
        **values,
        "alert_group": group,
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
