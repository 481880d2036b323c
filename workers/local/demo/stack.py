"""The demo's stack: every part of Sternway and of the fleet as a process of its own, on free ports of loopback."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from models.base import SternwayError
from workers.local import temporal
from workers.local.agent.stop import stop_everything
from workers.local.ports import free_ports
from workers.local.processes import Processes, ProcessFailed

REGIONS = {"eu": "127.0.0.1", "us": "127.0.0.2"}
"""Each region's Envoy listens on a loopback address of its own, with the same ports."""

SERVICES = ("ledger", "payments", "billing", "dispatch", "orders", "portal")

WATCH_SCALE = 300
"""The watcher's windows of hours and minutes are divided by this: 1 h and 5 min become 12 s and 1 s."""

READY_SECONDS = 60.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Tokens:
    """Made for one run, handed on by environment, written nowhere."""

    alerts: str = field(default_factory=secrets.token_urlsafe)
    gateway: str = field(default_factory=secrets.token_urlsafe)
    protect: str = field(default_factory=secrets.token_urlsafe)
    operate: str = field(default_factory=secrets.token_urlsafe)


@dataclass(frozen=True)
class Ports:
    temporal: int
    temporal_ui: int
    temporal_metrics: int
    agent: int
    gateway: int
    mesh_admin: dict[str, int]
    mesh_xds: dict[str, int]
    envoy_admin: dict[str, int]
    services: dict[str, int]

    @classmethod
    def free(cls) -> Ports:
        ports = iter(free_ports(5 + 3 * len(REGIONS) + len(SERVICES), tuple(REGIONS.values())))
        return cls(
            temporal=next(ports),
            temporal_ui=next(ports),
            temporal_metrics=next(ports),
            agent=next(ports),
            gateway=next(ports),
            mesh_admin={region: next(ports) for region in REGIONS},
            mesh_xds={region: next(ports) for region in REGIONS},
            envoy_admin={region: next(ports) for region in REGIONS},
            services={service: next(ports) for service in SERVICES},
        )


class Stack:
    """Starts everything, says what it starts, and stops everything. One run has one folder."""

    def __init__(self, folder: Path, catalog: Path, say: Say) -> None:
        self.folder = folder
        self.ports = Ports.free()
        self.tokens = Tokens()
        self._catalog = catalog
        self._say = say
        self._processes = Processes(folder)
        self.agent_data = folder / "agent"

    # Where things are

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.ports.gateway}"

    @property
    def temporal_ui(self) -> str:
        return f"http://127.0.0.1:{self.ports.temporal_ui}"

    @property
    def agent(self) -> str:
        return f"http://127.0.0.1:{self.ports.agent}"

    def mesh(self, region: str) -> str:
        return f"http://127.0.0.1:{self.ports.mesh_admin[region]}"

    def envoy(self, region: str) -> str:
        """The admin interface of the region's Envoy."""
        return f"http://127.0.0.1:{self.ports.envoy_admin[region]}"

    def service(self, region: str, service: str) -> str:
        """The service as callers in *region* reach it: at the region's Envoy."""
        return f"http://{REGIONS[region]}:{self.ports.services[service]}"

    # Up and down

    async def start_ground(self) -> None:
        """What carries the rest: Temporal, the platform agent, the meshes with their Envoys, and the store."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._start("temporal", *temporal.argv(self.folder / "temporal.db", *self._temporal_ports()), sternway=False)
        self._start("agent", "agent", "--data", str(self.agent_data), "--port", str(self.ports.agent))
        for region in REGIONS:
            self._start_mesh(region)
        await asyncio.gather(
            self._run("store", "store", "migrate"),
            self._until("temporal", self._temporal_answers),
            self._until("agent", lambda: _answers(f"{self.agent}/healthz")),
            *(self._until(f"mesh-{r}", lambda r=r: _answers(f"{self.mesh(r)}/healthz")) for r in REGIONS),
        )
        self._say(f"Temporal        {self.temporal_ui}")
        self._say(f"platform agent  {self.agent}")
        for region in REGIONS:
            self._start_envoy(region)
        await asyncio.gather(
            *(self._until(f"envoy-{r}", lambda r=r: _answers(f"{self.envoy(r)}/ready")) for r in REGIONS)
        )
        for region in REGIONS:
            self._say(f"mesh {region}         {self.mesh(region)}  (Envoy: {self.envoy(region)})")

    async def start_sternway(self) -> None:
        """The gateway, a pool a region, and the watcher."""
        for region in REGIONS:
            self.start_pool(region)
        await self.start_gateway()
        self._say(f"gateway         {self.gateway}")

    async def start_gateway(self) -> None:
        self._start("gateway", "gateway")
        await self._until("gateway", lambda: _answers(f"{self.gateway}/readyz"))

    def start_pool(self, region: str) -> None:
        self._start(f"pool-{region}", "pool", "--region", region)

    def kill(self, name: str) -> None:
        """SIGKILL to a part and to whatever it has started: ``pool-eu``, ``gateway``, ``mesh-us``."""
        self._processes.kill_named(name)

    def start_watcher(self) -> None:
        self._start("watch", "watch", "--scale", str(WATCH_SCALE), "--tick", "0.5", "--min-requests", "10")
        self._say(f"watcher         windows scaled down by {WATCH_SCALE}: 1 h and 5 min are 12 s and 1 s here")

    def start_load(self, rate: float) -> Path:
        """Users at the portal of each region. Returns the file with a line a second and region."""
        output = self.folder / "load.jsonl"
        targets = [arg for region in REGIONS for arg in ("--target", f"{region}={self.service(region, 'portal')}")]
        command = [sys.executable, "-m", "deploy.demo.load", *targets, "--rate", str(rate), "--output", str(output)]
        self._start("load", *command, sternway=False)
        return output

    def stop_load(self) -> None:
        """Let every request that is under way be answered and counted."""
        self._processes.stop_named("load")

    def check(self) -> None:
        """Raises :class:`ProcessFailed` when a part has died."""
        self._processes.check()

    def stop(self) -> None:
        """Everything, the last one first, then the replicas, which would outlive their agent. Safe to call again."""
        self._processes.stop_all()
        if self.agent_data.exists():
            stop_everything(self.agent_data, patience=3)

    # Each process

    def _start_mesh(self, region: str) -> None:
        self._start(
            f"mesh-{region}",
            "mesh",
            "--region",
            region,
            "--data",
            str(self.folder / f"mesh-{region}"),
            "--port",
            str(self.ports.mesh_admin[region]),
            "--xds-port",
            str(self.ports.mesh_xds[region]),
        )

    def _start_envoy(self, region: str) -> None:
        self._start(
            f"envoy-{region}",
            "envoy",
            "--region",
            region,
            "--node",
            f"envoy-{region}",
            "--data",
            str(self.folder / f"mesh-{region}"),
            "--admin-port",
            str(self.ports.envoy_admin[region]),
            "--xds-port",
            str(self.ports.mesh_xds[region]),
        )

    def _temporal_ports(self) -> tuple[int, int, int]:
        return self.ports.temporal, self.ports.temporal_ui, self.ports.temporal_metrics

    def _start(self, name: str, *argv: str, sternway: bool = True) -> None:
        command = [sys.executable, "-m", "workers.cli", *argv] if sternway else list(argv)
        self._processes.start(name, command, self.environment(name))

    async def _run(self, name: str, *argv: str) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "workers.cli",
            *argv,
            env=self.environment(name),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise SternwayError(f"sternway {' '.join(argv)} failed:\n{output.decode(errors='replace')}")

    async def _until(self, name: str, ready: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not await ready():
            self._processes.check()
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{name} was not ready within {READY_SECONDS:g} s\n{self._processes.tail(name)}")
            await asyncio.sleep(0.05)

    async def _temporal_answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.ports.temporal)
        except OSError:
            return False
        writer.close()
        return await _answers(self.temporal_ui)

    def environment(self, name: str) -> dict[str, str]:
        """What a process is given: the addresses, and only the tokens that are its own."""
        shared = {k: v for k, v in os.environ.items() if not k.startswith("STERNWAY_")}
        addresses = {
            "STERNWAY_CATALOG": str(self._catalog),
            "STERNWAY_STORE_URL": f"sqlite:///{self.folder / 'sternway.db'}",
            "STERNWAY_TEMPORAL_ADDRESS": f"127.0.0.1:{self.ports.temporal}",
            "STERNWAY_TEMPORAL_UI": self.temporal_ui,
            "STERNWAY_GATEWAY_PORT": str(self.ports.gateway),
            "STERNWAY_GATEWAY_URL": self.gateway,
            "PLATFORM_URL": self.agent,
        }
        for region, address in REGIONS.items():
            addresses[f"MESH_{region.upper()}_URL"] = self.mesh(region)
            addresses[f"TELEMETRY_{region.upper()}_URL"] = f"http://127.0.0.1:{self.ports.envoy_admin[region]}"
            addresses[f"BIND_{region.upper()}"] = address
        addresses |= {f"PORT_{service.upper()}": str(port) for service, port in self.ports.services.items()}
        return shared | addresses | self._tokens_of(name)

    def write_operator_file(self) -> Path:
        """What a person's shell needs to speak to this gateway, in a file that only they can read."""
        file = self.folder / "operator.env"
        file.touch(mode=0o600)
        file.write_text(
            f"export STERNWAY_GATEWAY_URL={self.gateway}\nexport STERNWAY_GATEWAY_TOKEN={self.tokens.gateway}\n"
        )
        return file

    def _tokens_of(self, name: str) -> dict[str, str]:
        alerts = {"STERNWAY_ALERT_TOKENS": json.dumps({"alertmanager": self.tokens.alerts})}
        gateway = {"STERNWAY_GATEWAY_TOKEN": self.tokens.gateway}
        protect = {"STERNWAY_PROTECT_TOKEN": self.tokens.protect}
        operate = {"STERNWAY_OPERATE_TOKEN": self.tokens.operate}
        match name.partition("-")[0]:
            case "gateway":
                return alerts | gateway | protect
            case "watch":
                return alerts
            case "mesh" | "pool":
                return protect | operate
            case "agent":
                return operate
            case _:
                return {}


async def _answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=1) as client:
            return (await client.get(url)).status_code == 200
    except httpx.HTTPError:
        return False
