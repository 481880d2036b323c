"""The agent's process: opens its data, adopts what runs, then serves until it is told to leave."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import uvicorn

from models.base import SternwayError
from models.settings import Settings
from workers.local.agent.discovery import Discovery
from workers.local.agent.fleet import Fleet
from workers.local.agent.lock import sole_user
from workers.local.agent.rows import open_rows
from workers.local.agent.server import Agent, application

HOST = "127.0.0.1"


def run(data: Path, port: int, grace: float, settings: Settings) -> None:
    """Serve on *port* of loopback (0: any free one; the URL is the first line on standard output) until a signal.

    Replicas live on after it. Raises ``SternwayError`` where the port is taken or another agent uses *data*.
    """
    data = data.absolute()
    with sole_user(data), _listen(port) as listener:
        (data / "logs").mkdir(exist_ok=True)
        asyncio.run(_serve(data, listener, grace, settings))


async def _serve(data: Path, listener: socket.socket, grace: float, settings: Settings) -> None:
    ledger, rows = await asyncio.to_thread(open_rows, data)
    discovery = Discovery(await asyncio.to_thread(rows.count_start, datetime.now(UTC)))
    fleet = Fleet(ledger, rows, discovery, host=HOST, logs=data / "logs", grace=grace)
    agent = Agent(ledger, rows, fleet, discovery, leave=lambda: server.leave())
    configuration = uvicorn.Config(
        application(agent, settings),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=5,
    )
    server = _Server(configuration, discovery)
    await fleet.adopt()
    converging = asyncio.create_task(fleet.run())
    print(f"agent: http://{HOST}:{listener.getsockname()[1]}", flush=True)
    try:
        await server.serve(sockets=[listener])
    finally:
        converging.cancel()
        fleet.close()
        ledger.close()


def _listen(port: int) -> socket.socket:
    # asyncio switches Nagle's algorithm off only where it sees the protocol: without it, a GET takes 44 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise SternwayError(
            f"the agent cannot listen on {HOST}:{port} ({error.strerror}); give another --port"
        ) from None
    return listener


class _Server(uvicorn.Server):
    """Lets the long polls go when it is told to leave; they would hold it up otherwise."""

    def __init__(self, configuration: uvicorn.Config, discovery: Discovery) -> None:
        super().__init__(configuration)
        self._discovery = discovery
        self._loop = asyncio.get_running_loop()

    def leave(self) -> None:
        self.should_exit = True
        self._discovery.close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self.leave)
