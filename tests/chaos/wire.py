"""A proxy between Sternway and one control plane: what befalls a call on its way, on the real wire.

It passes everything on. On the way of a change it has two fault points of its own, and may be told of a mishap: to
refuse the call, to lose the answer after it took effect, to send it twice, or to send it late.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import uvicorn

from tests.chaos.point import INCIDENT
from tests.waiting import until

MishapKind = Literal["refused", "answer lost", "sent twice", "sent late"]
Said = Callable[[str], Awaitable[None]]

LATE = 6.0
"""Seconds after which a late call arrives: by then its caller has long tried again, or has taken it back."""


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
        self.mishap: Mishap | None = None

    async def __aenter__(self) -> Wire:
        config = uvicorn.Config(
            self._serve, host="127.0.0.1", port=self._port, log_config=None, lifespan="off", interface="asgi3"
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
        status, answer = await self._pass_on(request, _subject(request, body))
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": answer})

    async def _pass_on(self, request: httpx.Request, subject: str | None) -> tuple[int, bytes]:
        if subject is None:
            return await self._forward(request)
        await self._said(f"{self._name} is asked to {subject}")
        kind = self._befalls(subject)
        if kind == "refused":
            return 403, b'{"detail": "refused by the run"}'
        if kind == "sent late":
            task = asyncio.create_task(self._send_late(request))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            return 504, b'{"detail": "on its way"}'
        if kind == "sent twice":
            await self._forward(request)
        status, answer = await self._forward(request)
        await self._said(f"{self._name} was asked to {subject}")
        lost = self.mishap is not None and self.mishap.befalls(subject) and self.mishap.kind == "answer lost"
        return (504, b'{"detail": "the answer is lost"}') if lost else (status, answer)

    def _befalls(self, subject: str) -> MishapKind | None:
        if self.mishap is None or not self.mishap.befalls(subject):
            return None
        self.mishap.times += 1
        once = self.mishap.kind in ("sent twice", "sent late")
        return None if once and self.mishap.times > 1 else self.mishap.kind

    async def _send_late(self, request: httpx.Request) -> None:
        await asyncio.sleep(LATE)
        await self._forward(request)

    async def _forward(self, request: httpx.Request) -> tuple[int, bytes]:
        try:
            response = await self._client.send(request)
        except httpx.HTTPError as error:
            return 502, json.dumps({"detail": f"{self._name} does not answer: {error!r}"}).encode()
        return response.status_code, response.content


def _subject(request: httpx.Request, body: bytes) -> str | None:
    """What a call changes: the key of the change or undoing, or what is done to a lease. None: it changes nothing."""
    what = request.url.path.rpartition("/")[2]
    if "/leases/" in request.url.path:
        return {"PUT": "take a lease", "DELETE": "release a lease"}.get(request.method, "renew a lease")
    if what not in ("changes", "undo"):
        return None
    key: str = json.loads(body)["key"]
    return f"{'change' if what == 'changes' else 'undo'} {key}"
