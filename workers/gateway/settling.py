"""Telling the store what became of alerts, which is what takes them off the list of pending ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from activities.analytics.store import Store, catalogs, deliveries
from activities.analytics.store.deliveries import StoredAlert
from models.alert import AlertState
from models.catalog_file import LoadedCatalog
from workers.gateway import metrics
from workers.gateway.handover import Handed
from workers.gateway.writing import Writer
from workers.observability.logs import logger


class Settling:
    """Everything here raises ``StoreUnavailable``, and may then be done again."""

    def __init__(self, store: Store, writer: Writer) -> None:
        self._store = store
        self._writer = writer
        self._remembered: set[str] = set()

    async def remember(self, loaded: LoadedCatalog) -> None:
        """Keep the catalog's text before an incident begins with it; whoever works on that incident looks it up."""
        if loaded.digest not in self._remembered:
            await self._writer.write(partial(catalogs.remember, self._store, loaded.digest, loaded.text), first=True)
            self._remembered.add(loaded.digest)

    async def handed(self, parts: Iterable[Handed], *, first: bool) -> None:
        """These have their incident, or were set aside. *first*: before whatever only waits for its turn."""
        for part in parts:
            for stored in part.alerts if part.incident else ():
                waited = part.at - stored.received_at
                metrics.HANDOVER.labels(stored.alert.severity).observe(waited.total_seconds())
            state = AlertState.STARTED if part.incident else AlertState.IGNORED
            await self._mark(part.alerts, state, part.incident, part.reason, first=first)
            result = "opened" if part.opened else "joined" if part.incident else "ignored"
            metrics.HANDED_OVER.labels(result).inc(len(part.alerts))

    async def unrouted(self, alerts: Sequence[StoredAlert], reason: str) -> None:
        """These have no place in the catalog."""
        await self._mark(alerts, AlertState.UNROUTED, None, reason, first=False)
        metrics.HANDED_OVER.labels("unrouted").inc(len(alerts))
        logger(__name__).warning("alerts have no place in the catalog", alerts=len(alerts), reason=reason)

    async def _mark(
        self, alerts: Sequence[StoredAlert], state: AlertState, incident: str | None, reason: str, *, first: bool
    ) -> None:
        ids = [stored.id for stored in alerts]
        await self._writer.write(partial(deliveries.mark, self._store, ids, state, incident, reason), first=first)
