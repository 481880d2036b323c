"""A small real world for rollbacks: one region with its platform agent, mesh control plane and Envoy, and two services.

Everything is the real part. What a test may do besides is to make a driver call fail, or to let it take effect and
then never answer; see :class:`Mishap`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
from ulid import ULID

from activities.catalogs import Catalogs
from activities.directory import Directory
from activities.driver import Refused
from activities.mesh.driver import Mesh, Routing
from activities.platform.driver import Platform, Workload
from deploy.demo.fleet.releases import how_to_run
from models.catalog_file import LoadedCatalog, parse
from models.identity import Key
from models.receipt import Fields, Receipt
from models.scope import Scope
from tests.waiting import until
from workers.local.agent.stop import stop_everything
from workers.local.ports import free_ports
from workers.local.processes import Processes

REGION = "eu"
TOKEN = "operate-and-protect"
SERVICES = ("payments", "ledger")

CATALOG = """
version: 1
regions:
  eu:
    mesh: {envoy: {kind: envoy, url: "${MESH}", proxies: [envoy-eu]}}
    platform: {local: {kind: local, url: "${AGENT}"}}
    telemetry: {envoy: {kind: envoy, url: "${ENVOY}"}}
defaults: {mesh: envoy, platform: local, telemetry: envoy}
policies:
  quick:
    protect: {action: fallback, share: 50}
    lease: 5
    hold_timeout: 60
    rollback: {ready_timeout: 20, drain_timeout: 10, soak: 1, soak_extension: 4, min_requests: 10}
services:
  payments:
    tier: 1
    regions: [eu]
    port: ${PAYMENTS}
    depends_on: [ledger]
    fallback: ledger
    slos: {availability: {objective: 95}, latency: {objective: 50, threshold_ms: 1000}}
    releases: [v1]
    policy: quick
  ledger:
    tier: 2
    regions: [eu]
    port: ${LEDGER}
    slos: {availability: {objective: 95}}
    releases: [v1]
"""


@dataclass
class Mishap:
    """What befalls one driver call: it is refused, or it takes effect and its answer never comes."""

    step: str
    action: Literal["change", "undo"]
    kind: Literal["refused", "silent-after-effect"]
    happened: int = 0

    def befalls(self, key: Key, action: str) -> bool:
        return self.action == action and key.step.endswith(f".{self.step}")


@dataclass
class Mishaps:
    pending: list[Mishap] = field(default_factory=list)

    def for_call(self, key: Key, action: str) -> Mishap | None:
        found = next((mishap for mishap in self.pending if mishap.befalls(key, action)), None)
        if found:
            found.happened += 1
        return found


class UnluckyDriver:
    """A real mesh or platform driver whose changes may meet a mishap."""

    def __init__(self, driver: Any, mishaps: Mishaps) -> None:
        self._driver = driver
        self._mishaps = mishaps

    async def read(self, *where: str) -> Any:
        return await self._driver.read(*where)

    async def change(self, key: Key, *rest: Any) -> Receipt:
        return await self._perform("change", key, rest)

    async def undo(self, key: Key, *rest: Any) -> Receipt:
        return await self._perform("undo", key, rest)

    async def _perform(self, action: str, key: Key, rest: tuple[Any, ...]) -> Receipt:
        mishap = self._mishaps.for_call(key, action)
        if mishap and mishap.kind == "refused":
            raise Refused(f"{key} is refused by the test")
        receipt: Receipt = await getattr(self._driver, action)(key, *rest)
        if mishap:
            await asyncio.sleep(3600)
        return receipt


class UnluckyDirectory(Directory):
    """The real directory, its mesh and platform drivers wrapped."""

    def __init__(self, catalogs: Catalogs, mishaps: Mishaps) -> None:
        super().__init__(catalogs, protect=TOKEN, operate=TOKEN)
        self._mishaps = mishaps

    async def mesh(self, scope: Scope) -> Mesh:
        return UnluckyDriver(await super().mesh(scope), self._mishaps)

    async def platform(self, scope: Scope) -> Platform:
        return UnluckyDriver(await super().platform(scope), self._mishaps)


class World:
    """Real parts, and a user who calls payments ten times in a second or more."""

    def __init__(self, folder: Path) -> None:
        agent, mesh, xds, envoy, payments, ledger = free_ports(6)
        self.folder = folder
        self.urls = {
            "AGENT": f"http://127.0.0.1:{agent}",
            "MESH": f"http://127.0.0.1:{mesh}",
            "ENVOY": f"http://127.0.0.1:{envoy}",
            "PAYMENTS": str(payments),
            "LEDGER": str(ledger),
        }
        self._ports = {"agent": agent, "mesh": mesh, "xds": xds, "envoy": envoy}
        self.catalog: LoadedCatalog = parse(CATALOG, "world.yaml", self.urls)
        self.mishaps = Mishaps()
        self.directory = UnluckyDirectory(Catalogs(self.catalog, lambda _digest: None), self.mishaps)
        self._drivers = Directory(Catalogs(self.catalog, lambda _digest: None), protect=TOKEN, operate=TOKEN)
        self.processes = Processes(folder)
        self.failures: list[str] = []
        self.served = 0

    def scope(self, incident: str | None = None) -> Scope:
        return Scope(incident=incident or str(ULID()), region=REGION, service="payments", catalog=self.catalog.digest)

    async def start(self) -> None:
        catalog = self.folder / "catalog.yaml"
        catalog.write_text(CATALOG)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("STERNWAY_")},
            **self.urls,
            "STERNWAY_CATALOG": str(catalog),
            "STERNWAY_OPERATE_TOKEN": TOKEN,
            "STERNWAY_PROTECT_TOKEN": TOKEN,
        }
        self.start_process("agent", "agent", "--data", str(self.folder / "agent"), "--port", str(self._ports["agent"]))
        self.start_process(
            "mesh", "mesh", "--region", REGION, *self._mesh_data(), "--port", str(self._ports["mesh"]), *self._xds()
        )
        for part in ("AGENT", "MESH"):
            await until(lambda part=part: _answers(f"{self.urls[part]}/healthz"), 30, f"{part} is up")
        self.start_process(
            "envoy",
            "envoy",
            "--region",
            REGION,
            "--node",
            "envoy-eu",
            *self._mesh_data(),
            "--admin-port",
            str(self._ports["envoy"]),
            *self._xds(),
        )
        await until(lambda: _answers(f"{self.urls['ENVOY']}/ready"), 30, "Envoy is up")
        await self._deploy()

    def start_process(self, name: str, *argv: str) -> None:
        self.processes.start(name, [sys.executable, "-m", "workers.cli", *argv], self._environment)

    def stop(self) -> None:
        self.processes.stop_all()
        stop_everything(self.folder / "agent", patience=2)

    async def _deploy(self) -> None:
        downstream = {REGION: {"ledger": f"http://127.0.0.1:{self.urls['LEDGER']}"}}
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False) as client:
            for service, release in (("ledger", "v1"), ("payments", "v1"), ("payments", "v2")):
                how = how_to_run(service, release, downstream, "none")
                url = f"{self.urls['AGENT']}/v1/services/{service}/releases/{release}"
                (await client.put(url, json=how)).raise_for_status()
            for service, release in (("ledger", "v1"), ("payments", "v1"), ("payments", "v2")):
                url = f"{self.urls['AGENT']}/v1/regions/{REGION}/services/{service}/deployments"
                body = {"release": release, "key": f"deployment:{service}-{release}:do:1"}
                (await client.post(url, json=body)).raise_for_status()
        await self.set_replicas("ledger", {"replicas/v1": 1})
        await self.set_weights("ledger", {"weight/v1": 100})

    # The world as it is, and as somebody else changes it

    async def routing(self, service: str = "payments") -> Routing:
        return await (await self._drivers.mesh(self._at(service))).read(service)

    async def workload(self, service: str = "payments") -> Workload:
        return await (await self._drivers.platform(self._at(service))).read(REGION, service)

    async def set_weights(self, service: str, fields: Fields) -> None:
        mesh = await self._drivers.mesh(self._at(service))
        await mesh.change(Key(incident="somebody-else", step=str(ULID())), service, fields, None)

    async def set_replicas(self, service: str, fields: Fields) -> None:
        platform = await self._drivers.platform(self._at(service))
        await platform.change(Key(incident="somebody-else", step=str(ULID())), REGION, service, fields, None)
        wanted = {name.removeprefix("replicas/"): count for name, count in fields.items()}
        await until(lambda: self._ready(service, wanted), 30, f"{service} has {wanted} ready")

    async def serve_v2(self) -> None:
        """As after a finished deployment: v2 serves with one replica, v1 has none."""
        await self.set_replicas("payments", {"replicas/v2": 1})
        await self.set_weights("payments", {"weight/v2": 100, "weight/v1": 0, "drain/v1": None, "drain/v2": None})
        await self.set_replicas("payments", {"replicas/v1": 0})

    async def _ready(self, service: str, wanted: dict[str, Any]) -> bool:
        ready = (await self.workload(service)).ready
        return all(ready.get(release, 0) == count for release, count in wanted.items())

    def _at(self, service: str) -> Scope:
        return self.scope("test").model_copy(update={"service": service})

    # Users

    @asynccontextmanager
    async def users(self) -> AsyncGenerator[None]:
        """Payments are made all the time; what fails is in ``failures``."""
        self.failures.clear()
        self.served = 0
        task = asyncio.create_task(self._pay())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _pay(self) -> None:
        url = f"http://127.0.0.1:{self.urls['PAYMENTS']}/pay"
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            while True:
                await asyncio.sleep(0.02)
                try:
                    status = (await client.post(url)).status_code
                except httpx.HTTPError as error:
                    self.failures.append(f"{time.time():.3f} {error!r}")
                    continue
                if status >= 500:
                    self.failures.append(f"{time.time():.3f} {status}")
                else:
                    self.served += 1

    def _mesh_data(self) -> tuple[str, str]:
        return "--data", str(self.folder / "mesh")

    def _xds(self) -> tuple[str, str]:
        return "--xds-port", str(self._ports["xds"])


async def _answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=1) as client:
            return (await client.get(url)).status_code == 200
    except httpx.HTTPError:
        return False
