"""The control plane of a region: intent and protection in, resources out, and an answer once the proxies have them.

What was asked for is durable before it is pushed, so a restart after a kill renders the same again.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from activities.mesh.driver import Routing
from models.catalog import Catalog
from models.identity import Key
from models.receipt import Conflict, Fields, Outcome, Receipt
from workers.ledger import Ledger, merged
from workers.mesh import last_good, protection, routing
from workers.mesh.ads import DiscoveryServer
from workers.mesh.check import check, raised
from workers.mesh.delta import Rejection
from workers.mesh.endpoint import Endpoint, by_service, ready_releases
from workers.mesh.errors import Invalid, Unknown
from workers.mesh.publication import Publication, Refusal
from workers.mesh.render import render
from workers.mesh.resource import Resource
from workers.mesh.rows import Rows
from workers.mesh.terms import Terms
from workers.mesh.view import ServiceView
from workers.observability.logs import logger

ACKNOWLEDGED_WITHIN = 5.0
"""Seconds that an answer waits for the expected proxies."""
ENDPOINT_WITHIN = 2.0
"""Seconds that a change waits for the endpoints of a release that the platform has just called ready."""

_log = logger("sternway.mesh")

_Rendered = tuple[ServiceView, ServiceView | None, tuple[Resource, ...]]


class ControlPlane:
    """One region of one catalog. Single-threaded: all calls come from one event loop."""

    def __init__(self, catalog: Catalog, region: str, data: Path) -> None:
        self.region, self.catalog = region, catalog
        self.ledger = Ledger(data / "mesh.db")
        self.rows = Rows(self.ledger)
        self.terms = Terms(self.rows, datetime.now(UTC), time.monotonic())
        self.services = {
            name: service
            for name, service in catalog.services.items()
            if region in service.regions and catalog.driver("mesh", region, name).kind == "envoy"
        }
        self._file = data / last_good.FILE
        self._publication = Publication(last_good.read(self._file))
        self._recorded = self.rows.endpoints()
        self._endpoints = dict(self._recorded)
        self._by_service = by_service(self._endpoints.values())
        self._endpoints_moved = asyncio.Event()
        self._views: dict[str, ServiceView] = {}
        self._rendered: dict[str, _Rendered] = {}
        self._layer: Resource | None = None
        self._unsaved = asyncio.Event()
        self.ads = DiscoveryServer(self._on_confirmed, self._on_rejected)
        self.publish()

    def publish(self) -> None:
        """Render what has changed and serve it."""
        intents = self.ledger.resources()
        views = {name: self._view(name, intents[name].state if name in intents else {}) for name in self.services}
        for name, view in views.items():
            fallback = views.get(view.service.fallback) if view.service.fallback else None
            if name not in self._rendered or self._rendered[name][:2] != (view, fallback):
                self._rendered[name] = (view, fallback, render(view, fallback))
        self._views = views
        self.protect()

    def protect(self) -> None:
        """Serve what the leases make of the region; everything else is as it was rendered."""
        self._layer = protection.layer(self.terms.running(time.monotonic()), self._views)
        self._publication.want([self._layer, *(r for _, _, rs in self._rendered.values() for r in rs)])
        self.ads.publish(self._publication.served())

    def read(self, service: str) -> Routing:
        """The service's intent, and who has not confirmed it. Raises :class:`Unknown`."""
        self.require(service)
        now = self.ledger.read(service)
        return Routing(
            generation=now.generation,
            state=now.state,
            weights=self._view(service, now.state).weights,
            draining=routing.draining(now.state),
            missing=self.missing(service),
        )

    async def change(self, key: str, service: str, fields: Fields, expected: int | None) -> Receipt | Conflict:
        """As :meth:`activities.mesh.driver.Mesh.change`. Raises Invalid, Unknown, Fenced, KeyMisused."""
        self.require(service)
        if self._is_new(key, service, expected):
            await self._endpoints_of(raised(fields, self.ledger.read(service).state), service)
        if self._is_new(key, service, expected):
            check(service, fields, merged(self.ledger.read(service).state, fields))
        receipt = self.ledger.change(key, service, fields, expected, datetime.now(UTC))
        return receipt if isinstance(receipt, Conflict) else await self._enforced(receipt)

    async def undo(self, key: str, service: str) -> Receipt:
        """As :meth:`activities.mesh.driver.Mesh.undo`. Raises Unknown, KeyMisused."""
        self.require(service)
        return await self._enforced(self.ledger.undo(key, service, datetime.now(UTC)))

    async def confirmed(self, service: str, seconds: float = ACKNOWLEDGED_WITHIN) -> tuple[str, ...]:
        """Wait until every expected proxy has what is wanted for the service; those that have not by then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.missing(service) and not self._refused(service):
                    await self.ads.moved()
        return self.missing(service)

    def missing(self, service: str) -> tuple[str, ...]:
        """The expected proxies that do not have what is wanted for the service now."""
        versions = {r.key: r.version for r in self._resources(service)}
        if self._layer:
            versions[self._layer.key] = self._layer.version
        expected = self.catalog.driver("mesh", self.region, service).proxies
        return tuple(node for node in expected if not self.ads.has(node, versions))

    def discovered(self, agent: str, endpoints: tuple[Endpoint, ...]) -> None:
        """All that one platform agent knows now. Pushed, then recorded: the agent is the one who knows it.

        Raises ``sqlite3.OperationalError`` where it cannot be recorded; the next call tries that again.
        """
        if endpoints != self._endpoints.get(agent, ()):
            self._endpoints[agent] = endpoints
            self._by_service = by_service(self._endpoints.values())
            self.publish()
            self._endpoints_moved.set()
            self._endpoints_moved = asyncio.Event()
        if endpoints != self._recorded.get(agent, ()):
            self.rows.put_endpoints(agent, endpoints)
            self._recorded[agent] = endpoints

    def ready(self, service: str) -> frozenset[str]:
        """The releases of the service that can answer, in any region."""
        return ready_releases(self._by_service.get(service, ()))

    def require(self, service: str) -> None:
        if service not in self.services:
            known = ", ".join(sorted(self.services)) or "none"
            raise Unknown(f"the mesh of {self.region} serves no service {service!r}; it serves {known}")

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        return self._publication.refusals()

    async def keep_last_good(self) -> None:
        """Write the last-known-good file after every confirmation, for ever."""
        while True:
            await self._unsaved.wait()
            self._unsaved.clear()
            try:
                await asyncio.to_thread(last_good.write, self._file, self._publication.good())
            except OSError as error:
                _log.error("the last-known-good file cannot be written", file=str(self._file), error=str(error))

    def close(self) -> None:
        self.ledger.close()

    def _view(self, name: str, fields: Fields) -> ServiceView:
        service = self.services[name]
        return ServiceView(
            name=name,
            service=service,
            region=self.region,
            bind=self.catalog.driver("mesh", self.region, name).bind,
            fields=fields,
            endpoints=self._by_service.get(name, ()),
        )

    def _resources(self, service: str) -> tuple[Resource, ...]:
        """The service's own, and those of the services that it stands in for."""
        names = [service, *(n for n, s in self.services.items() if s.fallback == service)]
        return tuple(r for name in names for r in self._rendered[name][2])

    def _refused(self, service: str) -> bool:
        refused = {(r.kind, r.name) for r in self._publication.refusals()}
        return any((r.key.kind.message, r.key.name) in refused for r in self._resources(service))

    async def _enforced(self, receipt: Receipt) -> Receipt:
        if receipt.outcome in (Outcome.NEVER_HAPPENED, Outcome.SUPERSEDED):
            return receipt
        self.publish()
        pending = await self.confirmed(receipt.resource)
        _log.info("changed", service=receipt.resource, outcome=receipt.outcome, key=receipt.key, pending=pending)
        return receipt.model_copy(update={"pending": pending})

    def _is_new(self, key: str, service: str, expected: int | None) -> bool:
        """Whether the ledger would apply the change: neither a repeat, nor fenced, nor in conflict."""
        try:
            parsed = Key.parse(key)
        except ValueError:
            return False
        if self.ledger.receipt(key) or self.ledger.receipt(str(parsed.undo())):
            return False
        if self.ledger.fenced_at(parsed.incident):
            return False
        return expected is None or expected == self.ledger.read(service).generation

    async def _endpoints_of(self, releases: frozenset[str], service: str) -> None:
        """Wait a moment for those that get a share: the platform may know of them a little earlier than the mesh."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDPOINT_WITHIN):
                while releases - self.ready(service):
                    await self._endpoints_moved.wait()
        if missing := releases - self.ready(service):
            names = ", ".join(sorted(missing))
            raise Invalid(f"{service} has no ready replica of {names}: what it is sent would fail; scale first")

    def _on_confirmed(self, resources: tuple[Resource, ...]) -> None:
        self._publication.confirm(resources)
        self._unsaved.set()

    def _on_rejected(self, node: str, rejection: Rejection) -> None:
        self._publication.refuse(node, rejection.versions, rejection.error)
        self.ads.publish(self._publication.served())
