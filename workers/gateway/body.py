"""Reading a request's body without letting it fill the memory: capped as it arrives, and again as it unfolds."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import Request

LIMIT = 16 * 1024 * 1024
"""Bytes of one body, also after decompression."""

AT_ONCE = 8 * LIMIT
"""Bytes of all bodies that are in memory together."""

WEBHOOK = 1024 * 1024
"""Bytes of one body whose sender is known only when the whole of it is there: GitHub's are some ten thousand."""

WEBHOOKS_AT_ONCE = 4 * WEBHOOK
"""Bytes of all of those together. They have a room of their own, so that strangers cannot take that of alerts."""


WEBHOOK_WITHIN = 5.0
"""Seconds for the whole of one: strangers who send slowly, or stop, must not keep GitHub out, which sends all of it at
once, waits no more than 10 s for an answer, and does not try again by itself.
https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries"""


class TooLarge(Exception):
    """The body is larger than *limit* bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes")


class Overloaded(Exception):
    """Too much is being received at this moment; the sender should come again."""


class TooSlow(Exception):
    """The body was not there in time."""


class Undecodable(Exception):
    """The body is not what its Content-Encoding says."""


class Room:
    """The memory that bodies may take together: *size* bytes, *limit* bytes each, and for *within* seconds on the way.

    Without *within* a body may take its time: its sender is known.
    """

    def __init__(self, size: int, limit: int, within: float | None = None) -> None:
        self._free = size
        self._limit = limit
        self._within = within

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncGenerator[bytes]:
        """The body as it was sent; its room is taken while this is entered.

        Raises :class:`TooLarge`, :class:`TooSlow` or :class:`Overloaded`.
        """
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._limit:
            raise TooLarge(self._limit)
        body = bytearray()
        try:
            await self._receive(request, body)
            yield bytes(body)
        finally:
            self._free += len(body)

    async def _receive(self, request: Request, body: bytearray) -> None:
        try:
            async with asyncio.timeout(self._within):
                async for chunk in request.stream():
                    body += chunk
                    self._free -= len(chunk)
                    if len(body) > self._limit:
                        raise TooLarge(self._limit)
                    if self._free < 0:
                        raise Overloaded
        except TimeoutError:
            raise TooSlow from None


def decode(raw: bytes, encoding: str) -> bytes:
    """Undo the Content-Encoding; ``gzip`` and none are known. Takes time for a large body: call it in a thread."""
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return raw
    if encoding != "gzip":
        raise Undecodable(f'the Content-Encoding "{encoding}" is not known; send gzip or none')
    unfolding = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: expect gzip's header
    try:
        body = unfolding.decompress(raw, LIMIT + 1)
    except zlib.error as error:
        raise Undecodable(f"the body is not gzip: {error}") from error
    if len(body) > LIMIT:
        raise TooLarge(LIMIT)
    if not unfolding.eof:
        raise Undecodable("the gzip body ends too early")
    return body
