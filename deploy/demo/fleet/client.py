"""A keep-alive HTTP/1.1 client that costs little CPU: a demo fleet shares a laptop with everything else.

httptools parses, one connection carries one request at a time, and a connection that its peer has closed is not used
again. Nothing is ever sent twice: what failed is reported, so that the figures of the demo stay honest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import cast
from urllib.parse import urlsplit

import httptools


class Broken(Exception):
    """The connection could not be made or ended before the answer did."""


class Pool:
    """Connections to one address, as many as there are requests at the same time."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._authority = parts.netloc
        self._idle: deque[_Connection] = deque()

    async def request(
        self, method: str, path: str, seconds: float, headers: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[int, bytes]:
        """Status and body. Raises :class:`Broken`, and ``TimeoutError`` after *seconds*, connecting included."""
        fields = {"host": self._authority, "content-length": "0", **headers}
        lines = (f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", "")
        head = "\r\n".join(lines).encode()
        async with asyncio.timeout(seconds):
            connection = self._take() or await self._connect()
            try:
                answer = await connection.exchange(head)
            except BaseException:
                connection.close()
                raise
        if connection.reusable:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
        return None

    async def _connect(self) -> _Connection:
        try:
            made = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port)
        except OSError as error:
            raise Broken(f"cannot connect: {error}") from None
        return made[1]


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.reusable = True
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None
        self._body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        if self._transport is None or not self.reusable:
            raise Broken("the connection was closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.reusable = False
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"not an HTTP answer: {error}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the connection ended before the answer: {exc or 'closed'}")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.reusable = self.reusable and self._parser.should_keep_alive()
        body, self._body = b"".join(self._body), []
        if self._answer and not self._answer.done():
            self._answer.set_result((self._parser.get_status_code(), body))
        else:
            self.close()  # an answer that nobody waits for

    def _fail(self, reason: str) -> None:
        self.reusable = False
        if self._answer and not self._answer.done():
            self._answer.set_exception(Broken(reason))
