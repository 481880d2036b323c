"""A small real world for rollbacks, in which a test may let a driver call fail.

Everything is the real part. What a test may do besides is to make a driver call fail, or to let it take effect and
then never answer; see :class:`Mishap`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx

from activities.catalogs import Catalogs
from activities.directory import Directory
from activities.driver import Refused
from models.catalog_file import LoadedCatalog, parse
from models.identity import Key
from models.lease import Lease
from models.receipt import Fence, Receipt
from models.scope import Scope
from workers.local.world import TOKEN, SmallWorld

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

    async def receipts(self, incident: str) -> tuple[Receipt, ...]:
        return await self._driver.receipts(incident)

    async def fence(self, incident: str) -> Fence:
        return await self._driver.fence(incident)

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

    async def mesh(self, scope: Scope) -> Any:
        return UnluckyDriver(await super().mesh(scope), self._mishaps)

    async def platform(self, scope: Scope) -> Any:
        return UnluckyDriver(await super().platform(scope), self._mishaps)


class World(SmallWorld):
    """The small world with payments and its ledger, and a user who pays ten times in a second or more."""

    def __init__(self, folder: Path, catalog: str = CATALOG) -> None:
        super().__init__(folder, catalog, SERVICES)
        self.mishaps = Mishaps()
        self.others: dict[str, str] = {}
        """Texts of further catalogs by digest, as the store would have them."""
        self.directory = UnluckyDirectory(Catalogs(self.catalog, self.others.get), self.mishaps)
        self.users_are_away = False
        self.failures: list[str] = []
        self.served = 0

    async def start(self) -> None:
        await super().start()
        await self.deploy(("ledger", "v1"), ("payments", "v1"), ("payments", "v2"))
        await self.serve("ledger", "v1")

    async def serve_v2(self) -> None:
        """As after a finished deployment: v2 serves with one replica, v1 has none."""
        await self.serve("payments", "v2")

    def another_catalog(self, said: str, instead: str) -> LoadedCatalog:
        """Its own with *instead* where *said* stands; incidents may begin with it."""
        assert said in self._text
        other = parse(self._text.replace(said, instead), "world.yaml", self.urls)
        self.others[other.digest] = other.text
        return other

    def with_breakers(self) -> LoadedCatalog:
        """Its own, and its policy approves what the breakers may do by their evidence."""
        return self.another_catalog("lease: 5", "lease: 5\n    breakers: {retries: 5, guards: arm}")

    # What there is

    async def serves(self, release: str) -> bool:
        return (await self.routing()).weights.get(release) == 100

    async def generations(self) -> tuple[int, int]:
        return (await self.routing()).generation, (await self.workload()).generation

    async def leases(self, service: str) -> list[Lease]:
        """The active ones."""
        async with httpx.AsyncClient(trust_env=False) as client:
            status = (await client.get(f"{self.urls['MESH']}/v1/status")).raise_for_status().json()
        return [lease for lease in map(Lease.model_validate, status["leases"]) if lease.service == service]

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
                if self.users_are_away:
                    continue
                try:
                    status = (await client.post(url)).status_code
                except httpx.HTTPError as error:
                    self.failures.append(f"{time.time():.3f} {error!r}")
                    continue
                if status >= 500:
                    self.failures.append(f"{time.time():.3f} {status}")
                else:
                    self.served += 1
