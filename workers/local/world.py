"""A small real world: one region with its platform agent, mesh control plane and Envoy, each a process of its own.

The demo's stack is two regions with everything; this is the least on which a rollback or an incident is real, for
benchmarks, for recording histories and for tests. Temporal, a gateway and a pool join it where they are wanted.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import httpx
from ulid import ULID

from activities.catalogs import Catalogs
from activities.directory import Directory
from activities.mesh.driver import Routing
from activities.platform.driver import Workload
from activities.platform.fields import FROZEN, REPLICAS
from deploy.demo.fleet.releases import HowToRun, how_to_run
from models.catalog_file import LoadedCatalog, parse
from models.identity import Key
from models.receipt import Fields
from models.scope import Scope
from workers.local import temporal
from workers.local.agent.stop import stop_everything
from workers.local.ports import free_ports
from workers.local.processes import Processes
from workers.local.readiness import answers, listens, until

REGION = "eu"
TOKEN = "everything-in-this-small-world"
AT_ONCE = 16
"""Requests in flight where many are sent."""

UP_WITHIN = 30.0
"""Seconds for one part to come up, on a machine that does other things as well."""


class SmallWorld:
    """Real parts in *folder*. *catalog* is text with ``${AGENT}``, ``${MESH}``, ``${ENVOY}`` and a port for each of
    *services*, by :func:`variable`; its one region is :data:`REGION`, its one proxy ``envoy-eu``."""

    def __init__(self, folder: Path, catalog: str, services: Sequence[str]) -> None:
        agent, mesh, xds, envoy, gateway, *rest = free_ports(8 + len(services))
        server, ui, metrics, *ports = rest
        self.folder = folder
        self.urls = {
            "AGENT": f"http://127.0.0.1:{agent}",
            "MESH": f"http://127.0.0.1:{mesh}",
            "ENVOY": f"http://127.0.0.1:{envoy}",
            **{variable(name): str(port) for name, port in zip(services, ports, strict=True)},
        }
        self.gateway = f"http://127.0.0.1:{gateway}"
        self.temporal = f"127.0.0.1:{server}"
        self.store = f"sqlite:///{folder / 'sternway.db'}"
        self.catalog: LoadedCatalog = parse(catalog, "world.yaml", self.urls)
        self.catalog_file = folder / "catalog.yaml"
        self.processes = Processes(folder)
        self._text = catalog
        self._services = tuple(services)
        self._ports = {"agent": agent, "mesh": mesh, "xds": xds, "envoy": envoy, "gateway": gateway}
        self._temporal_ports = (server, ui, metrics)
        self._drivers = Directory(Catalogs(self.catalog, lambda _digest: None), protect=TOKEN, operate=TOKEN)

    @property
    def environment(self) -> dict[str, str]:
        """What every process of this world is given."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith("STERNWAY_")}
        return {
            **outside,
            **self.urls,
            "STERNWAY_CATALOG": str(self.catalog_file),
            "STERNWAY_STORE_URL": self.store,
            "STERNWAY_TEMPORAL_ADDRESS": self.temporal,
            "STERNWAY_GATEWAY_PORT": str(self._ports["gateway"]),
            "STERNWAY_GATEWAY_URL": self.gateway,
            "STERNWAY_ALERT_TOKENS": json.dumps({"alertmanager": TOKEN}),
            "STERNWAY_GATEWAY_TOKEN": TOKEN,
            "STERNWAY_OPERATE_TOKEN": TOKEN,
            "STERNWAY_PROTECT_TOKEN": TOKEN,
        }

    def port(self, service: str) -> int:
        """Where Envoy listens for callers of *service*."""
        return int(self.urls[variable(service)])

    def scope(self, incident: str | None = None, service: str = "payments") -> Scope:
        """A place to act in; for a fresh incident unless one is given."""
        return Scope(incident=incident or str(ULID()), region=REGION, service=service, catalog=self.catalog.digest)

    # Up and down

    async def start(self) -> None:
        """Agent, mesh and Envoy. Nothing is deployed yet."""
        self.catalog_file.write_text(self._text)
        agent = str(self._ports["agent"])
        self.start_part("agent", "agent", "--data", str(self.folder / "agent"), "--port", agent)
        self.start_mesh()
        for part in ("AGENT", "MESH"):
            await until(lambda part=part: answers(f"{self.urls[part]}/healthz"), UP_WITHIN, f"{part} is up")
        data, xds = str(self.folder / "mesh"), str(self._ports["xds"])
        envoy = ["--node", "envoy-eu", "--data", data, "--admin-port", str(self._ports["envoy"]), "--xds-port", xds]
        self.start_part("envoy", "envoy", "--region", REGION, *envoy)
        await until(lambda: answers(f"{self.urls['ENVOY']}/ready"), UP_WITHIN, "Envoy is up")

    def start_mesh(self) -> None:
        """The control plane alone, on what it left behind."""
        data, mesh, xds = str(self.folder / "mesh"), str(self._ports["mesh"]), str(self._ports["xds"])
        self.start_part("mesh", "mesh", "--region", REGION, "--data", data, "--port", mesh, "--xds-port", xds)

    async def start_temporal(self, *options: str) -> None:
        """A server set as the demo's, with its history in a file; *options* are more of its own."""
        argv = [*temporal.argv(self.folder / "temporal.db", *self._temporal_ports), *options]
        self.processes.start("temporal", argv, self.environment)
        await until(lambda: listens(self._temporal_ports[0]), UP_WITHIN, "Temporal is up")
        ui = f"http://127.0.0.1:{self._temporal_ports[1]}"
        await until(lambda: answers(ui), UP_WITHIN, "Temporal's interface is up")

    async def start_gateway(self, environment: Mapping[str, str] | None = None) -> None:
        """The gateway, connected to Temporal. It makes the store where there is none."""
        self.start_part("gateway", "gateway", environment=environment)

        async def ready() -> bool:
            with suppress(httpx.HTTPError):  # a machine that starts several worlds may answer late
                async with httpx.AsyncClient(trust_env=False, timeout=1) as client:
                    answer = await client.get(f"{self.gateway}/readyz")
                    return answer.status_code == 200 and answer.json()["temporal"] == "there"
            return False

        await until(ready, UP_WITHIN, "the gateway is ready")

    async def start_pool(self, processes: int = 1, environment: Mapping[str, str] | None = None) -> None:
        """The region's pool; all of its processes poll. It wants the store to be there."""
        self.start_part("pool", "pool", "--region", REGION, "--processes", str(processes), environment=environment)
        await until(self.polls(processes), UP_WITHIN, "the pool polls")

    def polls(self, processes: int) -> Callable[[], Awaitable[bool]]:
        """Whether so many processes of the pool have begun to poll since its log began."""
        log = self.processes.log("pool")

        async def polling() -> bool:
            return log.read_text().count('"event": "polling"') >= processes

        return polling

    def start_part(self, name: str, *argv: str, environment: Mapping[str, str] | None = None) -> None:
        """``sternway ARGV`` as a process of this world."""
        more = dict(environment or {})
        self.processes.start(name, [sys.executable, "-m", "workers.cli", *argv], {**self.environment, **more})

    def stop(self) -> None:
        """Everything, also the replicas, which outlive their agent."""
        self.processes.stop_all()
        stop_everything(self.folder / "agent", patience=2)

    async def deploy(self, *releases: tuple[str, str], fault: str = "none") -> None:
        """Tell the agent how these releases are run, and that they were deployed, in order.

        *fault*: what is wrong with v2 of payments, of those replicas of it that are started from now on.
        """
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False) as client:
            for service, release in releases:
                url = f"{self.urls['AGENT']}/v1/services/{service}/releases/{release}"
                (await client.put(url, json=self.how_to_run(service, release, fault))).raise_for_status()
                url = f"{self.urls['AGENT']}/v1/regions/{REGION}/services/{service}/deployments"
                body = {"release": release, "key": f"deployment:{service}-{release}:do:1"}
                (await client.post(url, json=body)).raise_for_status()

    def how_to_run(self, service: str, release: str, fault: str) -> HowToRun:
        """As in the demo."""
        downstream = {REGION: {name: f"http://127.0.0.1:{self.port(name)}" for name in self._services}}
        return how_to_run(service, release, downstream, fault)

    async def register(self, services: Sequence[str], release: str = "v1") -> None:
        """Tell the agent of a release of each that nobody has started: without it no plan can be made for them."""
        room = asyncio.Semaphore(AT_ONCE)
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=30) as client:

            async def put(service: str) -> None:
                async with room:
                    url = f"{self.urls['AGENT']}/v1/services/{service}/releases/{release}"
                    (await client.put(url, json={"command": ["/bin/true"]})).raise_for_status()

            await asyncio.gather(*map(put, services))

    # The world as it is, and as somebody changes it

    async def routing(self, service: str = "payments") -> Routing:
        return await (await self._drivers.mesh(self.scope("reader", service))).read(service)

    async def workload(self, service: str = "payments") -> Workload:
        return await (await self._drivers.platform(self.scope("reader", service))).read(REGION, service)

    async def set_weights(self, service: str, fields: Fields) -> None:
        mesh = await self._drivers.mesh(self.scope("writer", service))
        await mesh.change(Key(incident="somebody-else", step=str(ULID())), service, fields, None)

    async def set_replicas(self, service: str, fields: Fields) -> None:
        """Returns once they are ready."""
        await self._set_workload(service, fields)
        wanted = {name.removeprefix(REPLICAS): count for name, count in fields.items()}

        async def ready() -> bool:
            ready = (await self.workload(service)).ready
            return all(ready.get(release, 0) == count for release, count in wanted.items())

        await until(ready, UP_WITHIN, f"{service} has {wanted} ready")

    async def _set_workload(self, service: str, fields: Fields) -> None:
        platform = await self._drivers.platform(self.scope("writer", service))
        await platform.change(Key(incident="somebody-else", step=str(ULID())), REGION, service, fields, None)

    async def serve(self, service: str, release: str) -> None:
        """As after a finished deployment: *release* has one replica and all traffic, and may be replaced by another."""
        if (await self.workload(service)).state.get(FROZEN):
            await self._set_workload(service, {FROZEN: None})
        await self.set_replicas(service, {f"{REPLICAS}{release}": 1})
        others = {name.rpartition("/")[2] for name in (await self.routing(service)).state} - {release}
        fields: Fields = {f"weight/{other}": 0 for other in others}
        for each in (release, *others):
            fields |= {f"drain/{each}": None, f"mirror/{each}": None}
        await self.set_weights(service, {**fields, f"weight/{release}": 100})
        if others:
            await self.set_replicas(service, {f"{REPLICAS}{other}": 0 for other in others})


def variable(service: str) -> str:
    """What stands for a service's port in the catalog."""
    return service.upper().replace("-", "_")
