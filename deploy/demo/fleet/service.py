"""The one program behind all six services of the demo: raw ASGI, so that a replica starts fast and stays small.

A service calls those it depends on through its region's Envoy and answers 502 when one of them does not do its part.
The environment says who it is: STERNWAY_SERVICE, STERNWAY_RELEASE, STERNWAY_REGION, STERNWAY_REPLICA and STERNWAY_FD
come from the platform; DOWNSTREAM (JSON: region, then service, then the URL at that region's Envoy) and FAULT from the
release.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvicorn

from deploy.demo.fleet.client import Broken, Pool
from deploy.demo.fleet.faults import fault_of

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

CALL_SECONDS = 2.0

CALLS: Mapping[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("portal", "/checkout"): (("orders", "/checkout"),),
    ("orders", "/checkout"): (("dispatch", "/dispatch"), ("billing", "/bill")),
    ("billing", "/bill"): (("payments", "/pay"),),
    ("payments", "/pay"): (("ledger", "/record"),),
    ("dispatch", "/dispatch"): (),
    ("ledger", "/record"): (),
    ("ledger", "/pay"): (),
    ("portal", "/browse"): (),
}
"""For each service and path, what it calls, all at the same time."""

RECORDED_FOR_LATER = ("ledger", "/pay")
"""The ledger in place of payments: it accepts the payment without making it."""


class Service:
    """One replica's ASGI application."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._name, self._release = environment["STERNWAY_SERVICE"], environment["STERNWAY_RELEASE"]
        region, downstream = environment["STERNWAY_REGION"], json.loads(environment.get("DOWNSTREAM", "{}"))
        self._pools = {name: Pool(url) for name, url in downstream.get(region, {}).items()}
        needed = {called for (name, _), calls in CALLS.items() if name == self._name for called, _ in calls}
        if missing := sorted(needed - self._pools.keys()):
            raise SystemExit(f"DOWNSTREAM names no URL in region {region} for {', '.join(missing)}")
        self._fault = fault_of(self._name, self._release, environment.get("FAULT", "none"))
        who = {"service": self._name, "release": self._release, "region": region}
        self._who = {**who, "replica": environment.get("STERNWAY_REPLICA", "")}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        if path == "/healthz":
            await self._answer(send, 200, "ok")
            return
        if (self._name, path) not in CALLS or method != ("GET" if path == "/browse" else "POST"):
            await self._answer(send, 404, f"{self._name} has no {method} {path}")
            return
        while (await receive()).get("more_body"):
            continue
        await self._answer(send, *await self._serve(path))

    async def _serve(self, path: str) -> tuple[int, str]:
        if path == "/pay" and (status := await self._fault()) != 200:
            return status, f"{self._name} {self._release} failed"
        calls = CALLS[self._name, path]
        failures = [failure for failure in await asyncio.gather(*(self._call(*call) for call in calls)) if failure]
        if failures:
            return 502, "; ".join(failures)
        return (202, "recorded for later") if (self._name, path) == RECORDED_FOR_LATER else (200, "done")

    async def _call(self, service: str, path: str) -> str:
        """Why the call failed; empty where it did not."""
        try:
            status, _ = await self._pools[service].request("POST", path, CALL_SECONDS)
        except TimeoutError:
            return f"{service} did not answer within {CALL_SECONDS:g} s"
        except Broken as error:
            return f"{service}: {error}"
        return "" if status < 300 else f"{service} answered {status}"

    async def _answer(self, send: Send, status: int, detail: str) -> None:
        body = json.dumps({**self._who, "detail": detail}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve on the inherited socket; on SIGTERM, finish what is in flight and end."""
    listener = socket.socket(fileno=int(os.environ["STERNWAY_FD"]))
    configuration = uvicorn.Config(
        Service(os.environ),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=3600,  # Envoy ends idle connections; if both did, a request could meet a closing one
        timeout_graceful_shutdown=8,
    )
    uvicorn.Server(configuration).run(sockets=[listener])


if __name__ == "__main__":
    main()
