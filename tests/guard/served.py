"""An ASGI application behind a real server, on a port of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from sternway_guard.asgi import Application

from tests.waiting import until


@asynccontextmanager
async def served(app: Application) -> AsyncGenerator[str]:
    """Its URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))  # type: ignore[arg-type]
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started, 5, "it is served")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running
