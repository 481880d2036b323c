"""A region on stage: the control plane and one Envoy as real processes, replicas, and the drivers that speak to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import yaml
from ulid import ULID

from activities.breaker.drivers.envoy import EnvoyProtector
from activities.mesh.drivers.envoy import EnvoyMesh
from models.catalog import Availability, Catalog, Defaults, Driver, Region, Service, Slos
from models.identity import Key
from models.receipt import Fields
from tests.mesh.backend import Replica, ReplicaList
from tests.waiting import until
from workers.mesh import last_good
from workers.mesh.bootstrap import Proxy
from workers.mesh.envoy import launcher
from workers.mesh.resource import Kind
from workers.mesh.schema import decode

OPERATE, PROTECT = "operate-secret", "protect-secret"
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Stage:
    """Enter it for a running region ``eu`` with the services ``payments`` (v1, v2) and ``cache``, its fallback."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "mesh-eu"
        self.admin, self.xds, self.envoy_admin = free_port(), free_port(), free_port()
        self.port, self.cache_port = free_port(), free_port()
        self.agent = ReplicaList()
        self.clock: dict[str, str] = {}
        """Environment of a control plane whose clock a test sets."""
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    async def __aenter__(self) -> Stage:
        await self.agent.start()
        await self._populate()
        self.write_catalog()
        client = httpx.AsyncClient(trust_env=False)
        self.client = client
        self.url = f"http://127.0.0.1:{self.admin}"
        self.mesh = EnvoyMesh(self.url, OPERATE)
        self.protector = EnvoyProtector(self.url, PROTECT)
        try:
            self.start("plane")
            self.start("envoy")
            await self.settled()
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.aclose()
        for name in list(self._processes):
            self.stop(name, signal.SIGKILL if error else signal.SIGTERM)
        self._depopulate()
        self.agent.kill()

    async def _populate(self) -> None:
        self.one = await Replica("payments", "v1", "eu").start()
        self.two = await Replica("payments", "v2", "eu").start()
        self.far = await Replica("payments", "v1", "us").start()
        self.cache = await Replica("cache", "c1", "eu").start()
        self.agent.set(self.one, self.two, self.far, self.cache)

    def _depopulate(self) -> None:
        for replica in (self.one, self.two, self.far, self.cache):
            replica.kill()

    async def reset(self) -> None:
        """New replicas, no field set, no lease."""
        self._depopulate()
        await self._populate()
        self.agent.newest = None
        for name in ("plane", "envoy"):
            if name not in self._processes:
                self.start(name)
        await self.settled()
        for lease in self.status["leases"]:
            await self.protector.release(lease["id"])
        fields: Fields = dict.fromkeys((await self.mesh.read("payments")).state)
        if fields:
            await self.mesh.change(self.key(), "payments", fields, None)

    def key(self) -> Key:
        """A key that was never used."""
        return Key(incident=str(ULID()), step="step")

    async def generation(self) -> int:
        return (await self.mesh.read("payments")).generation

    def catalog(self) -> Catalog:
        slos = Slos(availability=Availability(objective=99.9))
        us = Region(platform={"local": Driver(kind="local", url=self.agent.url)})
        eu = Region(
            mesh={"envoy": Driver(kind="envoy", url=f"http://127.0.0.1:{self.admin}", proxies=("envoy-eu",))},
            platform=us.platform,
            telemetry={"envoy": Driver(kind="envoy", url=f"http://127.0.0.1:{self.envoy_admin}")},
        )
        services = {
            "payments": Service(tier=1, regions=("eu",), port=self.port, releases=("v1",), fallback="cache", slos=slos),
            "cache": Service(tier=2, regions=("eu",), port=self.cache_port, releases=("c1",), slos=slos),
        }
        defaults = Defaults(mesh="envoy", platform="local", telemetry="envoy")
        return Catalog(version=1, regions={"eu": eu, "us": us}, services=services, defaults=defaults)

    def start(self, name: str) -> None:
        """Start the ``plane`` or the ``envoy``."""
        if name == "envoy":
            return self._run(name, launcher(self.proxy, self.data), {})
        command = "from workers.cli.main import run; run()"
        options = ["--region", "eu", "--data", str(self.data), "--catalog", str(self.folder / "catalog.yaml")]
        ports = ["--port", str(self.admin), "--xds-port", str(self.xds)]
        return self._run(name, [sys.executable, "-c", command, "mesh", *options, *ports], self.clock)

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    @property
    def proxy(self) -> Proxy:
        return Proxy(region="eu", node="envoy-eu", xds=self.xds, admin=self.envoy_admin)

    def stop(self, name: str, how: signal.Signals = signal.SIGKILL) -> int:
        """Signal the process and wait for its end; its exit status."""
        process = self._processes.pop(name)
        process.send_signal(how)
        return process.wait(10)

    def logs(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    async def settled(self) -> None:
        """Wait until the Envoy serves and has all that is wanted, of all replicas.

        It is asked itself, and first: for a moment the control plane still counts what a killed one had.
        """

        async def complete() -> bool:
            return (
                await self.serving()
                and await self.answering()
                and self.agent.seen >= self.agent.version
                and not any(service["missing"] for service in self.status["services"].values())
            )

        await until(complete, 15, "the proxy has all that is wanted")

    async def serving(self) -> bool:
        """Whether the Envoy has its first configuration and accepts connections."""
        try:
            return (await self.client.get(f"http://127.0.0.1:{self.envoy_admin}/ready")).is_success
        except httpx.TransportError:
            return False

    async def answering(self) -> bool:
        """Whether the control plane answers; its answer is ``status`` then."""
        try:
            self.status: dict[str, Any] = (await self.client.get(f"{self.url}/v1/status")).json()
        except httpx.TransportError:
            return False
        return True

    def last_good_routes_to(self, release: str) -> bool:
        """Whether the last-known-good file sends all requests for payments to *release*."""
        routes = next(r for r in last_good.read(self.data / last_good.FILE) if r.key == (Kind.ROUTES, "payments"))
        route = decode(Kind.ROUTES.message, routes.body)["virtualHosts"][0]["routes"][-1]["route"]
        weights = {c["name"]: c["weight"] for c in route["weightedClusters"]["clusters"]}
        return weights[f"payments|{release}"] == 100

    def write_catalog(self) -> None:
        text = yaml.safe_dump(self.catalog().model_dump(mode="json", exclude_unset=True))
        (self.folder / "catalog.yaml").write_text(text)

    async def statistics(self, pattern: str) -> dict[str, int]:
        url = f"http://127.0.0.1:{self.envoy_admin}/stats"
        answer = await self.client.get(url, params={"format": "json", "filter": pattern})
        return {entry["name"]: entry["value"] for entry in answer.json()["stats"] if "name" in entry}

    def _run(self, name: str, command: list[str], more: Mapping[str, str]) -> None:
        environment = {
            **os.environ,
            **more,
            "PYTHONPATH": str(ROOT),
            "STERNWAY_OPERATE_TOKEN": OPERATE,
            "STERNWAY_PROTECT_TOKEN": PROTECT,
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
