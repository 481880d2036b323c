"""The gateway as a process: everything it is made of is opened, run, and closed in the opposite order.

On SIGTERM it stops accepting, answers what it has accepted, finishes what is being handed over, and lets the embedded
worker finish what it has in hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial

import uvicorn

from activities.analytics.store import Store, migrate, open_store
from activities.catalogs import Catalogs
from activities.directory import Directory
from models.base import SternwayError
from models.catalog_file import LoadedCatalog
from models.settings import Settings
from workers.catalog import load_catalog
from workers.gateway import links
from workers.gateway.application import application
from workers.gateway.body import AT_ONCE, LIMIT, WEBHOOK, WEBHOOK_WITHIN, WEBHOOKS_AT_ONCE, Room
from workers.gateway.connection import Connection, Register
from workers.gateway.dispatcher import Dispatcher
from workers.gateway.guard_states import GuardStates
from workers.gateway.parts import Parts
from workers.gateway.reconciler import Reconciler
from workers.gateway.writing import Writer
from workers.observability import logs, tracing
from workers.observability.tracing import Tracing
from workers.points.keeper import PointKeeper

GRACE = 10
"""Seconds for requests that have been accepted."""

BACKLOG = 4096
"""Connections that may wait to be accepted in a storm."""

Registering = Callable[[Settings, LoadedCatalog, Store], Register]


async def serve(settings: Settings, registering: Registering) -> None:
    """Serve until SIGTERM or SIGINT. Raises :class:`~models.base.SternwayError` for settings that cannot work."""
    logs.configure(settings, "gateway")
    loaded = load_catalog(settings.catalog)
    listening = _listen(settings)
    traces = tracing.start(settings, "gateway")
    try:
        async with running(settings, loaded, registering, traces) as parts:
            server = _Server(
                uvicorn.Config(
                    application(parts),
                    log_config=None,
                    access_log=False,
                    timeout_graceful_shutdown=GRACE,
                    backlog=BACKLOG,
                    server_header=False,
                    proxy_headers=False,
                ),
                parts.guards.close,
            )
            logs.logger(__name__).info("gateway listens", url=settings.gateway_url, sources=[*settings.alert_tokens])
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, server.stop)
            await server.serve(sockets=[listening])
            logs.logger(__name__).info("gateway stops")
    finally:
        traces.close()


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn raises them again when it has ended, and the rest would not be closed.

    *closing* ends what would never end by itself, so that there is something to wait for.
    """

    def __init__(self, config: uvicorn.Config, closing: Callable[[], None]) -> None:
        super().__init__(config)
        self._closing = closing

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    def stop(self) -> None:
        self.should_exit = True
        self._closing()


@contextlib.asynccontextmanager
async def running(
    settings: Settings, loaded: LoadedCatalog, registering: Registering, traces: Tracing
) -> AsyncGenerator[Parts]:
    """The gateway's parts, running: store, connection with its worker, dispatcher, reconciler, keeper of points."""
    store = open_store(settings.store_url)
    writer = Writer(store)
    connection = Connection(settings, registering(settings, loaded, store), traces)
    dispatcher = Dispatcher(store, writer, connection, loaded, partial(links.gateway, settings))
    try:
        await asyncio.to_thread(migrate, store)
        connecting = asyncio.create_task(connection.run())
        dispatching = asyncio.create_task(dispatcher.run())
        reconciling = asyncio.create_task(Reconciler(settings, loaded, store, writer, connection).run())
        directory = Directory(Catalogs(loaded, lambda _digest: None), protect="", operate="")
        remembering = asyncio.create_task(PointKeeper(loaded, store, writer, directory).run())
        guards = GuardStates(store)
        guarding = asyncio.create_task(guards.run())
        try:
            room, webhooks = Room(AT_ONCE, LIMIT), Room(WEBHOOKS_AT_ONCE, WEBHOOK, WEBHOOK_WITHIN)
            yield Parts(settings, store, writer, loaded, connection, dispatcher, guards, room, webhooks)
        finally:
            guards.close()
            for task in (guarding, remembering, reconciling, dispatching, connecting):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
    finally:
        await asyncio.to_thread(writer.close)
        store.close()


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.gateway_host else socket.AF_INET
    try:
        return socket.create_server((settings.gateway_host, settings.gateway_port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SternwayError(
            f"the gateway cannot listen on {settings.gateway_host}:{settings.gateway_port}: {error.strerror}; "
            "stop what listens there, or set STERNWAY_GATEWAY_PORT"
        ) from error
