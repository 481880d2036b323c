"""From a body to a durable delivery: nothing is seen before it is durable, and nothing authentic is refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ParamSpec, TypeVar

from activities.analytics.store import Store, deliveries
from activities.analytics.store.deliveries import Persisted, Prepared, StoredAlert
from models.alert import Alert, AlertState, Severity
from models.catalog import Catalog
from workers.gateway.body import Undecodable, decode
from workers.gateway.placing import has_place, place
from workers.gateway.sources import SOURCES
from workers.gateway.sources.source import Unreadable
from workers.gateway.writing import Writer

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

SMALL = 16 * 1024
"""Bytes of a body that are read within a millisecond or two."""


@dataclass(frozen=True)
class Taken:
    """A delivery that is durable."""

    delivery: int
    alerts: tuple[StoredAlert, ...]
    duplicate: bool
    """An equal delivery is waiting for its incident already; these are its alerts."""
    quarantined: str | None = None
    """Why it could not be read."""
    unrouted: int = 0
    """How many of the alerts have no place in the catalog."""


@dataclass(frozen=True)
class Delivery:
    """One request as it came."""

    source: str
    body: bytes
    headers: Mapping[str, str]
    received_at: datetime


@dataclass(frozen=True)
class Read:
    """A delivery that has been read, and is ready to be stored."""

    alerts: Sequence[Alert]
    prepared: Prepared
    received_at: datetime
    unrouted: int

    @property
    def critical(self) -> bool:
        return any(alert.severity is Severity.CRITICAL for alert in self.alerts)

    def stored(self, kept: Persisted) -> tuple[StoredAlert, ...]:
        """The alerts as they are in the store."""
        return tuple(
            StoredAlert(
                id=row,
                delivery_id=kept.delivery_id,
                received_at=self.received_at,
                alert=alert,
                state=AlertState.PENDING,
                incident=None,
                reason="",
            )
            for row, alert in zip(kept.alert_ids, self.alerts, strict=True)
        )


async def take_in(store: Store, writer: Writer, catalog: Catalog, delivery: Delivery) -> Taken:
    """Read, place and store. Raises ``StoreUnavailable`` or ``TooLarge``: nothing was stored."""
    small = len(delivery.body) <= SMALL and "content-encoding" not in delivery.headers
    run = _here if small else asyncio.to_thread
    try:
        read = await run(_read, store, catalog, delivery)
    except (Unreadable, Undecodable) as unreadable:
        return await quarantine(store, writer, delivery, str(unreadable))
    kept = await writer.persist(read.prepared, first=read.critical)
    return Taken(kept.delivery_id, await run(read.stored, kept), kept.duplicate, unrouted=read.unrouted)


async def take_report(store: Store, writer: Writer, delivery: Delivery, identity: str, alert: Alert) -> Taken:
    """Store what an application has reported. Raises ``StoreUnavailable``: nothing was stored."""
    read = _prepared(store, delivery, identity, [alert], unrouted=0)
    kept = await writer.persist(read.prepared, first=read.critical)
    return Taken(kept.delivery_id, read.stored(kept), kept.duplicate)


async def quarantine(store: Store, writer: Writer, delivery: Delivery, reason: str) -> Taken:
    """Store what is authentic and cannot be read, for people to look at. Raises ``StoreUnavailable``."""
    kept = await writer.persist(_quarantined(store, delivery, reason), first=False)
    return Taken(kept.delivery_id, (), kept.duplicate, quarantined=reason)


def digest(source: str, alerts: Iterable[Alert]) -> str:
    """A delivery's identity: equal for a repeat of the same message, whatever else its sender puts into it."""
    told = sorted((alert.group, alert.fingerprint, alert.status, alert.starts_at.isoformat()) for alert in alerts)
    return hashlib.sha256(json.dumps([source, told]).encode()).hexdigest()


async def _here(work: Callable[Arguments, Answer], *arguments: Arguments.args, **named: Arguments.kwargs) -> Answer:
    """At once: a change of threads would take longer."""
    return work(*arguments, **named)


def _read(store: Store, catalog: Catalog, delivery: Delivery) -> Read:
    body = decode(delivery.body, delivery.headers.get("content-encoding", ""))
    alerts = [place(delivery.source, signal, catalog) for signal in SOURCES[delivery.source](body)]
    unrouted = sum(not has_place(alert.service, alert.region, catalog) for alert in alerts)
    return _prepared(store, delivery, digest(delivery.source, alerts), alerts, unrouted)


def _prepared(store: Store, delivery: Delivery, identity: str, alerts: Sequence[Alert], unrouted: int) -> Read:
    source, body, headers = delivery.source, delivery.body, delivery.headers
    prepared = deliveries.prepare(store, source, body, identity, delivery.received_at, alerts, headers=headers)
    return Read(alerts, prepared, delivery.received_at, unrouted)


def _quarantined(store: Store, delivery: Delivery, reason: str) -> Prepared:
    source, body, headers = delivery.source, delivery.body, delivery.headers
    identity = hashlib.sha256(body).hexdigest()
    return deliveries.prepare(store, source, body, identity, delivery.received_at, (), reason, headers)
