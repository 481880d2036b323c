"""A service that is rolled back in a scenario: it answers whatever it is asked, and a bad release fails some of it.

STERNWAY_SERVICE, STERNWAY_RELEASE and STERNWAY_FD come from the platform; FAILS, of ten requests, from the release. Its
health it always tells.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvicorn

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Service:
    """One replica's ASGI application."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        who = {"service": environment["STERNWAY_SERVICE"], "release": environment["STERNWAY_RELEASE"]}
        self._body = json.dumps(who).encode()
        self._fails = int(environment["FAILS"])
        self._asked = 0

    async def __call__(self, scope: dict[str, Any], _receive: object, send: Send) -> None:
        status = 200 if scope["path"] == "/healthz" else self._status()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(self._body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})

    def _status(self) -> int:
        self._asked += 1
        return 500 if self._asked % 10 < self._fails else 200


def main() -> None:
    """Serve on the inherited socket; on SIGTERM, finish what is in flight and end."""
    configuration = uvicorn.Config(
        Service(os.environ),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=3600,  # Envoy ends idle connections
    )
    uvicorn.Server(configuration).run(sockets=[socket.socket(fileno=int(os.environ["STERNWAY_FD"]))])


if __name__ == "__main__":
    main()
