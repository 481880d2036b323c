"""A small real world with everything in it: incidents begin at its gateway, and any part of it can be lost."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from models.receipt import Receipt
from tests.stack.conftest import webhook
from tests.waiting import until
from tests.world.world import CATALOG, World
from workers.local.readiness import answers, listens
from workers.local.world import REGION, TOKEN

LONG_GATES = CATALOG.replace("soak: 1,", "soak: 5,").replace("soak_extension: 4", "soak_extension: 1")
"""Long enough to lose something while the soak is watched."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    output: str
    error: str

    @property
    def report(self) -> dict[str, Any]:
        return json.loads(self.output)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.splitlines()]


class Scene(World):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, LONG_GATES)

    async def start(self) -> None:
        await super().start()
        await self.start_temporal()
        await self.start_gateway()
        await self.start_pool()

    # What is lost, and what comes back

    def kill_temporal(self) -> None:
        self.processes.kill_named("temporal")

    def lose_temporal(self) -> None:
        """Killed with -9, its database deleted."""
        self.kill_temporal()
        for file in self.folder.glob("temporal.db*"):
            file.unlink()

    async def bring_back_temporal(self) -> None:
        """Where the test before has left none. One that has just begun is not killed: its queues would be slow."""
        if not await listens(int(self.temporal.rpartition(":")[2])):
            await self.start_temporal()

    def with_a_dead_region(self) -> Path:
        """A catalog file that names another region besides, of which nothing answers."""
        us = '  us:\n    mesh: {envoy: {kind: envoy, url: "http://127.0.0.1:1", proxies: [envoy-us]}}\n'
        file = self.folder / "two-regions.yaml"
        file.write_text(self.catalog_file.read_text().replace("regions:\n", f"regions:\n{us}", 1))
        return file

    def kill_mesh(self) -> None:
        self.processes.kill_named("mesh")

    async def bring_back_mesh(self) -> None:
        """On what the one before it left."""
        self.start_mesh()
        await until(lambda: answers(f"{self.urls['MESH']}/healthz"), 30, "the mesh is up")

    async def client(self) -> Client:
        """Of Temporal, as a person in its UI."""
        return await Client.connect(self.temporal, data_converter=pydantic_data_converter)

    # Incidents

    @property
    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.gateway, headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False, timeout=10
        )

    async def incident(self) -> str:
        """An alert comes in; the incident that it opens."""
        async with self.http as http:
            known = {row["id"] for row in (await http.get("/v1/incidents")).json()}
            group = f"group-{time.time_ns()}"
            (await http.post("/v1/alerts/alertmanager", json=webhook(REGION, group))).raise_for_status()
            return await self.opened_besides(known)

    async def opened_besides(self, known: set[str]) -> str:
        async with self.http as http:

            async def opened() -> str | None:
                rows = (await http.get("/v1/incidents")).json()
                return next((row["id"] for row in rows if row["id"] not in known), None)

            return await until(opened, 60, "another incident is there")

    async def shown(self, incident: str) -> dict[str, Any]:
        async with self.http as http:
            return (await http.get(f"/v1/incidents/{incident}")).raise_for_status().json()

    async def until_phase(self, incident: str, *phases: str, seconds: float = 90) -> dict[str, Any]:
        async def there() -> dict[str, Any] | None:
            shown = await self.shown(incident)
            return shown if shown["phase"] in phases else None

        return await until(there, seconds, f"the incident is {' or '.join(phases)}")

    async def receipts(self, incident: str) -> tuple[Receipt, ...]:
        """Of both control planes, by time."""
        scope = self.scope(incident)
        mesh, platform = await self.directory.mesh(scope), await self.directory.platform(scope)
        found = [*await mesh.receipts(incident), *await platform.receipts(incident)]
        return tuple(sorted(found, key=lambda receipt: receipt.at))

    async def until_changed(self, incident: str, step: str) -> None:
        """*step* has its receipt: it is durable, and may be in effect already."""

        async def there() -> bool:
            return any(f".{step}:do:" in receipt.key for receipt in await self.receipts(incident))

        await until(there, 60, f"{step} has a receipt")

    async def stands(self) -> tuple[object, ...]:
        """What is there and how often it was changed: equal as long as nobody changes anything, or back again."""
        routing, workload = await self.routing(), await self.workload()
        return routing.weights, routing.draining, workload.replicas, routing.generation, workload.generation

    # Commands

    async def sternway(self, *words: str, environment: Mapping[str, str] | None = None) -> Ended:
        """``sternway WORDS`` in a process of its own, without a terminal."""
        process = await self.begin(words, environment)
        output, error = await process.communicate()
        return Ended(process.returncode or 0, output.decode(), error.decode())

    async def begin(
        self, words: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "workers.cli",
            *words,
            env={**self.environment, **(environment or {}), "COLUMNS": "240"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
