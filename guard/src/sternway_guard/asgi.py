"""Before an ASGI application: requests that cannot be served in time, or earn too little now, are turned away early."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from contextlib import AsyncExitStack
from typing import Any

from sternway_guard import deadlines
from sternway_guard.earnings import worth
from sternway_guard.errors import DeadlinePassed, Rejected
from sternway_guard.limiter import Limiter
from sternway_guard.settings import ConfigurationError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger("sternway_guard")

UNAVAILABLE, TIMEOUT = 503, 504
FAILURE = 500
"""Statuses from here on are no answers, so how long they take says nothing."""


class GuardMiddleware:
    """Around *app*: each HTTP request takes a place of *limiter*, and has the deadline that its caller sent along.

    *value* says what a request earns (see :class:`~sternway_guard.limiter.Limiter`); it must not believe a header that
    strangers can set. One that is turned away is answered 503 with ``Retry-After``, or 504 where its deadline has
    passed; one whose caller goes away while it waits is not begun.

    What is no HTTP request goes through, and so do requests for the paths in *exempt*: a health probe that is turned
    away would have a service restarted because it is busy.
    """

    def __init__(
        self,
        app: Application,
        limiter: Limiter,
        value: Callable[[Scope], float] | None = None,
        *,
        exempt: Collection[str] = (),
    ) -> None:
        if isinstance(exempt, str):
            raise ConfigurationError(f"exempt must be a collection of paths, not one: {{{exempt!r}}} is")
        self._app, self._limiter, self._value, self._exempt = app, limiter, value, frozenset(exempt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._exempt:
            await self._app(scope, receive, send)
            return
        heard = _Heard(receive)
        async with AsyncExitStack() as entered:
            try:
                if (seconds := _sent(scope)) is not None:
                    entered.enter_context(deadlines.deadline(seconds))
                value = self._worth(scope)
                place = await entered.enter_async_context(self._limiter.place_async(value, heard.gone))
                if value is not None:
                    entered.enter_context(worth(value))  # and what it calls earns as much
            except Rejected as rejected:
                await _turn_away(send, rejected)
                return

            async def sent(message: Message) -> None:
                if message["type"] == "http.response.start":
                    place.failed = message["status"] >= FAILURE
                    place.answered()
                await send(message)

            await self._app(scope, heard, sent)

    def _worth(self, scope: Scope) -> float | None:
        """None: it is not known."""
        if self._value is None:
            return None
        try:
            return float(self._value(scope))
        except Exception:  # noqa: BLE001 -- what a request earns must not decide whether it can be answered at all
            _log.exception("what %s is worth could not be said; it is served as the usual", scope.get("path"))
            return None


class _Heard:
    """What a caller says. What is heard of it while its request waits is kept for the application."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._kept: deque[Message] = deque()

    async def __call__(self) -> Message:
        return self._kept.popleft() if self._kept else await self._receive()

    async def gone(self) -> None:
        """Returns once the caller has gone away. Of a body in parts only the first is taken before the application
        asks for the rest, and behind that nothing is heard."""
        while True:
            self._kept.append(message := await self._receive())
            if message["type"] == "http.disconnect":
                return
            if message.get("more_body"):
                await asyncio.Event().wait()


def _sent(scope: Scope) -> float | None:
    wanted = deadlines.HEADER.encode()
    text = next((value for name, value in scope["headers"] if name == wanted), None)
    return None if text is None else deadlines.from_header(text.decode("latin-1"))


async def _turn_away(send: Send, rejected: Rejected) -> None:
    late = isinstance(rejected, DeadlinePassed)
    body = f"{rejected.reason}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if not late:
        headers.append((b"retry-after", str(max(1, round(rejected.retry_after or 1))).encode()))
    await send({"type": "http.response.start", "status": TIMEOUT if late else UNAVAILABLE, "headers": headers})
    await send({"type": "http.response.body", "body": body})
