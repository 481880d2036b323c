"""A tiny HTTP receiver for webhooks, which can refuse them for a while."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Delivery:
    """One request as it came, and how it was answered."""

    path: str
    headers: dict[str, str]
    body: bytes
    answer: int

    @property
    def message(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Answers with the next of *answers*, and with 202 when there are none left."""

    answers: list[int] = field(default_factory=list[int])
    deliveries: list[Delivery] = field(default_factory=list[Delivery])
    url: str = ""

    def taken(self, status: str | None = None) -> list[dict[str, Any]]:
        """The messages that were accepted, of one status or of any."""
        messages = [d.message for d in self.deliveries if d.answer < 300]
        return [m for m in messages if status in (None, m["status"])]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                status = self.answers.pop(0) if self.answers else 202
                self.deliveries.append(Delivery(start.split()[1], headers, body, status))
                writer.write(f"HTTP/1.1 {status} answer\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    here = Receiver()
    server = await asyncio.start_server(here.answer, "127.0.0.1", 0)
    here.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield here
    finally:
        server.close()
