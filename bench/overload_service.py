"""A service that can do so much at once and no more: an ASGI application behind uvicorn, with our guard or without.

    python -m bench.overload_service PORT (bare|guarded) (even|exponential)

What it calls, a database say, serves :data:`AT_ONCE` requests side by side, each in :data:`SECONDS` on average; others
wait there. The guard is told neither. A caller that has gone away is served all the same, as in most services.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from math import log
from random import shuffle

import uvicorn
from sternway_guard import Limiter, LimitSettings
from sternway_guard.asgi import Application, GuardMiddleware, Receive, Scope, Send

AT_ONCE = 8
SECONDS = 0.08
TAKES: dict[str, Callable[[float], float]] = {
    "even": lambda share: 0.8 + 0.4 * share,
    "exponential": lambda share: -log(1 - share),
}
"""What that share of the requests takes at most, in multiples of the mean."""
ROUND = 100
"""Requests that take as long, all together, as any others so many: chance decides their order, not the capacity."""

VALUES = {"/critical": 100.0, "/normal": 10.0, "/low": 1.0}
"""What a request of each class earns."""

WAITING = 32


def durations(takes: Callable[[float], float]) -> Iterator[float]:
    """Of one request after the other, in seconds."""
    one_round = [takes((number + 0.5) / ROUND) for number in range(ROUND)]
    mean = sum(one_round) / ROUND
    while True:
        shuffle(one_round)
        yield from (SECONDS * one / mean for one in one_round)


class Service:
    def __init__(self, takes: Callable[[float], float]) -> None:
        self._database = asyncio.Semaphore(AT_ONCE)
        self._durations = durations(takes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/ready":
            async with self._database:
                await asyncio.sleep(next(self._durations))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


def value(scope: Scope) -> float:
    return VALUES.get(scope["path"], 0.0)


def application(kind: str, takes: str) -> Application:
    service = Service(TAKES[takes])
    if kind == "bare":
        return service
    return GuardMiddleware(service, Limiter("bench", LimitSettings(waiting=WAITING)), value, exempt={"/ready"})


def main() -> None:
    port, kind, takes = sys.argv[1:]
    uvicorn.run(application(kind, takes), port=int(port), log_level="critical", lifespan="off", access_log=False)  # type: ignore[arg-type] -- uvicorn has types of its own for the same


if __name__ == "__main__":
    main()
