"""From a body to a durable delivery: nothing is seen before it is durable, and nothing authentic is refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from activities.analytics.store import Store, deliveries
from activities.analytics.store.deliveries import StoredAlert
from models.alert import Alert, AlertState
from models.catalog import Catalog
from workers.gateway.body import Undecodable, decode
from workers.gateway.placing import misplaced, place
from workers.gateway.sources import SOURCES
from workers.gateway.sources.source import Unreadable
from workers.gateway.writing import Writer

SMALL = 16 * 1024
"""Bytes of a body that are read within a millisecond or two."""


@dataclass(frozen=True)
class Taken:
    """A delivery that is durable."""

    delivery: int
    alerts: tuple[StoredAlert, ...]
    duplicate: bool
    """An equal delivery is waiting for its incident already; these are its alerts."""
    quarantined: str | None
    """Why it could not be read."""
    unrouted: int
    """How many of the alerts have no place in the catalog."""


@dataclass(frozen=True)
class Delivery:
    """One request as it came."""

    source: str
    body: bytes
    headers: Mapping[str, str]
    received_at: datetime


async def take_in(store: Store, writer: Writer, catalog: Catalog, delivery: Delivery) -> Taken:
    """Read, place and store. Raises ``StoreUnavailable`` or ``TooLarge``: nothing was stored."""
    try:
        alerts = await _read(delivery, catalog)
    except (Unreadable, Undecodable) as unreadable:
        return await keep(store, writer, delivery, hashlib.sha256(delivery.body).hexdigest(), (), str(unreadable))
    taken = await keep(store, writer, delivery, digest(delivery.source, alerts), alerts)
    unrouted = sum(misplaced(alert.service, alert.region, catalog) is not None for alert in alerts)
    return Taken(taken.delivery, taken.alerts, taken.duplicate, None, unrouted)


async def keep(
    store: Store,
    writer: Writer,
    delivery: Delivery,
    identity: str,
    alerts: Sequence[Alert],
    quarantined: str | None = None,
) -> Taken:
    """Make the delivery durable under its *identity*."""
    persist = partial(
        deliveries.persist,
        store,
        delivery.source,
        delivery.body,
        identity,
        delivery.received_at,
        alerts,
        quarantined,
        delivery.headers,
    )
    kept = await writer.write(persist)
    stored = tuple(
        StoredAlert(
            id=row,
            delivery_id=kept.delivery_id,
            received_at=delivery.received_at,
            alert=alert,
            state=AlertState.PENDING,
            incident=None,
            reason="",
        )
        for row, alert in zip(kept.alert_ids, alerts, strict=True)
    )
    return Taken(kept.delivery_id, stored, kept.duplicate, quarantined, 0)


def digest(source: str, alerts: Iterable[Alert]) -> str:
    """A delivery's identity: equal for a repeat of the same message, whatever else its sender puts into it."""
    told = sorted((alert.group, alert.fingerprint, alert.status, alert.starts_at.isoformat()) for alert in alerts)
    return hashlib.sha256(json.dumps([source, told]).encode()).hexdigest()


async def _read(delivery: Delivery, catalog: Catalog) -> list[Alert]:
    """A small body at once, as a change of threads would take longer; a large one may take its time elsewhere."""
    if len(delivery.body) <= SMALL and "content-encoding" not in delivery.headers:
        return _alerts(delivery, catalog)
    return await asyncio.to_thread(_alerts, delivery, catalog)


def _alerts(delivery: Delivery, catalog: Catalog) -> list[Alert]:
    body = decode(delivery.body, delivery.headers.get("content-encoding", ""))
    return [place(delivery.source, signal, catalog) for signal in SOURCES[delivery.source](body)]
