"""A service that can do so much at once and no more: an ASGI application behind uvicorn, with our guard or without.

    python -m bench.overload_service PORT (bare|guarded)

What it calls, a database say, serves :data:`AT_ONCE` requests side by side, each in about :data:`SECONDS`; others wait
there. The guard is told neither. A caller that has gone away is served all the same, as in most services.
"""

from __future__ import annotations

import asyncio
import sys
from random import uniform

import uvicorn
from sternway_guard import Limiter, LimitSettings
from sternway_guard.asgi import Application, GuardMiddleware, Receive, Scope, Send

AT_ONCE = 8
SECONDS = 0.08
VALUES = {"/critical": 100.0, "/normal": 10.0, "/low": 1.0}
"""What a request of each class earns."""

WAITING = 32


class Service:
    def __init__(self) -> None:
        self._database = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/ready":
            async with self._database:
                await asyncio.sleep(SECONDS * uniform(0.8, 1.2))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


def value(scope: Scope) -> float:
    return VALUES.get(scope["path"], 0.0)


def application(kind: str) -> Application:
    service = Service()
    return (
        service if kind == "bare" else GuardMiddleware(service, Limiter("bench", LimitSettings(waiting=WAITING)), value)
    )


def main() -> None:
    port, kind = sys.argv[1:]
    uvicorn.run(application(kind), port=int(port), log_level="critical", lifespan="off", access_log=False)  # type: ignore[arg-type] -- uvicorn has types of its own for the same


if __name__ == "__main__":
    main()
