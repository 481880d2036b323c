"""Which driver serves a service in a region: from the catalog to a connected driver, once for each.

A new driver is a file in its module's ``drivers`` folder and a line in the table here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal, TypeVar

from activities.analytics.drivers.envoy import EnvoyTelemetry
from activities.analytics.drivers.prometheus import PrometheusTelemetry
from activities.analytics.telemetry import Sampling, Telemetry
from activities.breaker.driver import Protector
from activities.breaker.drivers.envoy import EnvoyProtector
from activities.catalogs import Catalogs
from activities.mesh.driver import Mesh
from activities.mesh.drivers.envoy import EnvoyMesh
from activities.platform.driver import Platform
from activities.platform.drivers.local import LocalPlatform
from models.catalog import Catalog, Driver
from models.scope import Scope

Module = Literal["mesh", "platform", "telemetry"]
AnyDriver = TypeVar("AnyDriver")


MESHES: dict[str, Callable[[Driver, str], Mesh]] = {
    "envoy": lambda driver, token: EnvoyMesh(driver.url, token),
}
PROTECTORS: dict[str, Callable[[Driver, str], Protector]] = {
    "envoy": lambda driver, token: EnvoyProtector(driver.url, token),
}
PLATFORMS: dict[str, Callable[[Driver, str], Platform]] = {
    "kubernetes": lambda driver, _token: _kubernetes(driver),
    "local": lambda driver, token: LocalPlatform(driver.url, token),
}
TELEMETRY: dict[str, Callable[[str, Driver], Sampling]] = {
    "envoy": lambda region, driver: EnvoyTelemetry(region, driver.url),
    "prometheus": lambda region, driver: PrometheusTelemetry(region, driver.url),
}


class Directory:
    """Drivers for one process, with the tokens that it was given; the gateway's *operate* token is empty."""

    def __init__(self, catalogs: Catalogs, protect: str, operate: str) -> None:
        self._catalogs = catalogs
        self._protect = protect
        self._operate = operate
        self._connected: dict[tuple[str, str, Driver], object] = {}

    async def catalog(self, scope: Scope) -> Catalog:
        return await self.pinned(scope.catalog)

    async def pinned(self, digest: str) -> Catalog:
        """The catalog of this digest. Raises :class:`~activities.catalogs.UnknownCatalog`."""
        return self._catalogs.known(digest) or await asyncio.to_thread(self._catalogs.get, digest)

    async def mesh(self, scope: Scope) -> Mesh:
        driver = await self._driver("mesh", scope)
        return self._once("mesh", scope.region, driver, lambda: MESHES[driver.kind](driver, self._operate))

    async def protector(self, scope: Scope) -> Protector:
        driver = await self._driver("mesh", scope)
        return self._once("protector", scope.region, driver, lambda: PROTECTORS[driver.kind](driver, self._protect))

    async def platform(self, scope: Scope) -> Platform:
        driver = await self._driver("platform", scope)
        return self._once("platform", scope.region, driver, lambda: PLATFORMS[driver.kind](driver, self._operate))

    async def telemetry(self, scope: Scope) -> Telemetry:
        driver = await self._driver("telemetry", scope)
        return self._once("telemetry", scope.region, driver, lambda: TELEMETRY[driver.kind](scope.region, driver))

    async def _driver(self, module: Module, scope: Scope) -> Driver:
        return (await self.catalog(scope)).driver(module, scope.region, scope.service)

    def _once(self, what: str, region: str, driver: Driver, connect: Callable[[], AnyDriver]) -> AnyDriver:
        key = (what, region, driver)
        if key not in self._connected:
            self._connected[key] = connect()
        return self._connected[key]  # pyright: ignore[reportReturnType] -- the key names the type


def _kubernetes(driver: Driver) -> Platform:
    """Its client library takes megabytes in every process, so it is loaded where a catalog names a cluster."""
    from activities.platform.drivers.kubernetes import KubernetesPlatform

    return KubernetesPlatform(driver)
