"""The control plane as a process: the discovery server, the admin interface and the agents' followers in one loop."""

from __future__ import annotations

import asyncio
import fcntl
import json
import signal
import socket
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from models.base import SternwayError
from models.catalog import Catalog
from models.settings import Settings
from workers import memory
from workers.mesh.admin import application
from workers.mesh.discovery import agents, follow, newest
from workers.mesh.leases import Leases
from workers.mesh.plane import ControlPlane
from workers.observability.logs import logger

PORTS_FILE = "ports.json"

_log = logger("sternway.mesh")


@dataclass(frozen=True)
class Address:
    """Where it listens; port 0 is one that the kernel chooses. The chosen ones are written to ``ports.json``."""

    host: str
    admin: int
    xds: int


async def serve(catalog: Catalog, region: str, data: Path, address: Address, settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises SternwayError where *data* or a port is in use."""
    data.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 -- nothing else runs yet
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SternwayError(f"{data} is used by another control plane; stop it or choose another --data") from None
        plane = ControlPlane(catalog, region, data)
        try:
            await _run(plane, data, address, settings)
        finally:
            plane.close()


async def _run(plane: ControlPlane, data: Path, address: Address, settings: Settings) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        leases = Leases(plane, lambda service: newest(plane, client, service))
        xds = await plane.ads.start(address.host, address.xds)
        server = _Server(application(plane, leases, settings), address)
        background: list[Coroutine[Any, Any, None]] = [plane.keep_last_good(), leases.keep_time()]
        background += [follow(plane, agent, client) for agent in agents(plane.catalog)]
        tasks = [asyncio.create_task(work) for work in background]
        for task in tasks:
            task.add_done_callback(lambda done: _stop_on_failure(done, server))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)
        try:
            admin = server.bind()
            (data / PORTS_FILE).write_text(json.dumps({"admin": admin, "xds": xds}))
            memory.settle()
            _log.info("control plane serves", region=plane.region, admin=admin, xds=xds)
            await server.run()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await plane.ads.stop()
        for task in tasks:
            if not task.cancelled() and (error := task.exception()):
                raise error


class _Quiet(uvicorn.Server):
    """Leaves the signals to the process, which has more to close than this server."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class _Server:
    """uvicorn on a socket of ours, so that the port is known and an occupied one is a clear error."""

    def __init__(self, app: Any, address: Address) -> None:
        config = uvicorn.Config(
            app,
            host=address.host,
            port=address.admin,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
        )
        self._address, self._server = address, _Quiet(config)

    def bind(self) -> int:
        # The protocol is named, because asyncio turns Nagle's delay of 40 ms off only for sockets that say TCP.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((self._address.host, self._address.admin))
        except OSError:
            where = f"{self._address.host}:{self._address.admin}"
            raise SternwayError(f"{where} is taken: another control plane runs there, or choose another port") from None
        port: int = self._socket.getsockname()[1]
        return port

    async def run(self) -> None:
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        self._server.should_exit = True


def _stop_on_failure(task: asyncio.Task[None], server: _Server) -> None:
    """A background task never ends by itself: whatever starts this process starts it anew from what is durable."""
    if not task.cancelled() and (error := task.exception()):
        _log.error("background task failed, stopping", error=repr(error))
        server.stop()
