"""The floor of the first protective action: its parts, each bare and by itself, on the same machine in the same run."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass
from itertools import count
from pathlib import Path

from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy

from bench.bare import ACTIVITY, BareWorkflow
from bench.sender import Sender
from models.settings import Settings
from workers.deployment.joining import build_of
from workers.local.ports import free_ports
from workers.local.processes import Processes
from workers.local.readiness import listens, until
from workers.mesh.ads import DiscoveryServer
from workers.mesh.bootstrap import Proxy
from workers.mesh.envoy import launcher
from workers.mesh.protection import LAYER
from workers.mesh.resource import Kind, resource
from workers.worker import TASK_TIMEOUT, build

QUEUE = "bench-floor"
NODE = "bench-envoy"


@dataclass(frozen=True)
class Floor:
    """Milliseconds of each bare part."""

    post: float
    """One HTTP POST to a trivial uvicorn application, until its answer."""
    commit: float
    """One durable commit to SQLite in WAL mode, ``synchronous=FULL``, of the same body."""
    start: float
    """An eager start, until its empty local activity runs; the worker is in the caller's process."""
    update: float
    """One update of Envoy's runtime layer over delta xDS, until Envoy has confirmed it."""

    @property
    def total(self) -> float:
        return sum(astuple(self))


class _Bare:
    """The empty local activity: notes when it runs."""

    def __init__(self) -> None:
        self.ran = asyncio.Event()
        self.at = 0.0

    @activity.defn(name=ACTIVITY)
    async def run(self) -> None:
        self.at = time.perf_counter()
        self.ran.set()


class Parts:
    """Everything that the floor needs, running. Made by :func:`parts`."""

    def __init__(
        self, sender: Sender, database: sqlite3.Connection, client: Client, bare: _Bare, plane: DiscoveryServer
    ) -> None:
        self._sender, self._database, self._client, self._bare, self._plane = sender, database, client, bare, plane
        self._number = count(1)

    async def measure(self, body: bytes) -> Floor:
        """Each part once, one after the other."""
        number = next(self._number)
        return Floor(
            post=await self._post(body),
            commit=self._commit(body),
            start=await self._start(number),
            update=await self.update(number),
        )

    async def _post(self, body: bytes) -> float:
        began = time.perf_counter()
        await self._sender.post(body)
        return _since(began)

    def _commit(self, body: bytes) -> float:
        began = time.perf_counter()
        self._database.execute("BEGIN IMMEDIATE")
        self._database.execute("INSERT INTO deliveries (body) VALUES (?)", (body,))
        self._database.execute("COMMIT")
        return _since(began)

    async def _start(self, number: int) -> float:
        self._bare.ran.clear()
        began = time.perf_counter()
        handle = await self._client.start_workflow(
            BareWorkflow.run,
            id=f"bench-floor-{number}",
            task_queue=QUEUE,
            request_eager_start=True,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            task_timeout=TASK_TIMEOUT,
        )
        await self._bare.ran.wait()
        taken = (self._bare.at - began) * 1000
        await handle.result()
        return taken

    async def update(self, number: int) -> float:
        """A layer that differs from the one before."""
        layer = resource(Kind.RUNTIME, LAYER, {"name": LAYER, "layer": {"bench.floor": number}})
        began = time.perf_counter()
        self._plane.publish([layer])
        while not self._plane.has(NODE, {layer.key: layer.version}):
            await self._plane.moved()
        return _since(began)


@asynccontextmanager
async def parts(
    folder: Path, processes: Processes, client: Client, environment: dict[str, str]
) -> AsyncGenerator[Parts]:
    """Start a trivial server and an Envoy of the floor's own, and a worker in this process."""
    folder.mkdir()  # noqa: ASYNC240 -- nothing is measured yet
    port, admin = free_ports(2)
    command = [sys.executable, "-m", "uvicorn", "bench.trivial:app", "--port", str(port), "--no-access-log"]
    processes.start("floor-http", [*command, "--log-level", "error"], environment)
    plane, bare = DiscoveryServer(), _Bare()
    xds = await plane.start("127.0.0.1", 0)
    processes.start(
        "floor-envoy", launcher(Proxy(region="floor", node=NODE, xds=xds, admin=admin), folder), environment
    )
    database = sqlite3.connect(folder / "floor.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TABLE deliveries (id INTEGER PRIMARY KEY, body BLOB)")
    sender = Sender(port, "/", "none")
    worker = build(
        client, QUEUE, build_of(Settings()), workflows=[BareWorkflow], activities=[bare.run], remote_activities=False
    )
    try:
        async with worker:
            await until(lambda: listens(port), 30, "the floor's HTTP server is up")
            made = Parts(sender, database, client, bare, plane)
            async with asyncio.timeout(30):
                await made.update(0)
            yield made
    finally:
        sender.close()
        database.close()
        await plane.stop()


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
