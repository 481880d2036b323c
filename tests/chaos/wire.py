"""A proxy between Sternway and one control plane: what befalls a call on its way, on the real wire.

It passes everything on. On the way of a change it has two fault points of its own, and may be told of a mishap: to
refuse the call, to lose the answer after it took effect, to send it twice, or to send it late.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import uvicorn

from tests.chaos.point import INCIDENT
from tests.waiting import until

MishapKind = Literal[
    "refused", "answer lost", "answered late", "sent twice", "sent late", "delivered after its undoing"
]

ONCE = ("answered late", "sent twice", "sent late")
"""What befalls a call the first time only; the others go on until a person has had his word."""
Said = Callable[[str], Awaitable[None]]

LATE = 6.0
"""Seconds after which a late call arrives: by then its caller has long tried again."""

ANSWERED_LATE = 9.0
"""Seconds after which a late answer comes: the caller waits for 8 at the most."""

REFUSED = "refused by the run"
"""What is answered to a call that is refused."""

Answer = tuple[int, bytes]


@dataclass
class Mishap:
    """What befalls one call, whenever it is made."""

    call: str
    """Without the incident: ``change payments.switch:do:1``."""
    kind: MishapKind
    times: int = 0

    def befalls(self, call: str) -> bool:
        return INCIDENT.sub("", call) == self.call


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Ctrl-C is the run's own."""
        yield


class Wire:
    """Use as an async context manager. *said* is told of each call that changes something."""

    def __init__(self, name: str, port: int, upstream: str, said: Said) -> None:
        self._name, self._port, self._said = name, port, said
        self._client = httpx.AsyncClient(base_url=upstream, trust_env=False, timeout=90)
        self._late: set[asyncio.Task[None]] = set()
        self._held: httpx.Request | None = None
        self.mishaps: list[Mishap] = []

    async def __aenter__(self) -> Wire:
        config = uvicorn.Config(
            self._serve,
            host="127.0.0.1",
            port=self._port,
            log_config=None,
            lifespan="off",
            log_level="critical",
            interface="asgi3",
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve())
        await until(lambda: self._server.started, 10, f"the wire to the {self._name} listens")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        for task in (*self._late, self._serving):
            task.cancel()
        await asyncio.gather(*self._late, self._serving, return_exceptions=True)
        await self._client.aclose()

    async def _serve(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        path = scope["path"] + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        headers = {k.decode(): v.decode() for k, v in scope["headers"] if k not in (b"host", b"content-length")}
        request = self._client.build_request(scope["method"], path, headers=headers, content=body)
        answer = await self._pass_on(request, _subject(request, body))
        await _answer(answer, send)

    async def _pass_on(self, request: httpx.Request, call: str | None) -> Answer | None:
        if call is None:
            return await self._forward(request)
        await self._said(f"{self._name} is asked to {call}")
        kind = self._befalls(call)
        if kind == "refused":
            return 403, json.dumps({"detail": REFUSED}).encode()
        if kind in ("sent late", "delivered after its undoing"):
            if kind == "sent late":
                self._later(self._send_late(request))
            self._held = request
            return None
        if kind == "sent twice":
            await self._forward(request)
        answer = await self._forward(request)
        await self._said(f"{self._name} was asked to {call}")
        await self._deliver_what_is_undone(call)
        if kind == "answered late":
            await asyncio.sleep(ANSWERED_LATE)
        lost = any(mishap.befalls(call) and mishap.kind == "answer lost" for mishap in self.mishaps)
        return None if lost else answer

    async def _deliver_what_is_undone(self, call: str) -> None:
        """A call of a dead worker arrives when what it asks for was taken back already."""
        undone = Mishap(_without(call, "undo", "change"), "delivered after its undoing")
        for mishap in [one for one in self.mishaps if (one.call, one.kind) == (undone.call, undone.kind)]:
            self.mishaps.remove(mishap)
            assert self._held is not None
            await self._forward(self._held)

    def _befalls(self, call: str) -> MishapKind | None:
        mishap = next((mishap for mishap in self.mishaps if mishap.befalls(call)), None)
        if mishap is None:
            return None
        mishap.times += 1
        return None if mishap.kind in ONCE and mishap.times > 1 else mishap.kind

    async def settled(self) -> None:
        """Wait for the calls that are still under way by themselves."""
        if self._late:
            await asyncio.wait(self._late)

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _send_late(self, request: httpx.Request) -> None:
        await asyncio.sleep(LATE)
        await self._forward(request)

    async def _forward(self, request: httpx.Request) -> Answer | None:
        try:
            response = await self._client.send(request)
        except httpx.HTTPError:
            return None
        return response.status_code, response.content


async def _answer(answer: Answer | None, send: Any) -> None:
    """None: the connection breaks before the answer is whole, as when whoever answers is killed."""
    status, body = answer or (200, b"")
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body) if answer else 1).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if answer:
        await send({"type": "http.response.body", "body": body})


def _without(call: str, verb: str, instead: str) -> str:
    return INCIDENT.sub("", call).replace(f"{verb} ", f"{instead} ", 1)


def _subject(request: httpx.Request, body: bytes) -> str | None:
    """What a call changes: the key of the change or undoing, or what is done to a lease. None: it changes nothing."""
    what = request.url.path.rpartition("/")[2]
    if "/leases/" in request.url.path:
        verb = {"PUT": "take", "DELETE": "release"}.get(request.method, "renew")
        return f"{verb} the lease {request.url.path.removesuffix('/renew').rpartition('-')[2]}"
    if what not in ("changes", "undo"):
        return None
    key: str = json.loads(body)["key"]
    return f"{'change' if what == 'changes' else 'undo'} {key}"
