"""The socket on which processes say which fault point they have come to, and wait until they may go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

Arrival = Callable[[int, str], Awaitable[None]]
"""Told the process id and the point; the process stands still until this returns."""


class Rendezvous:
    """Use as an async context manager."""

    def __init__(self, socket: Path, arrived: Arrival) -> None:
        self.socket = socket
        self._arrived = arrived

    async def __aenter__(self) -> Rendezvous:
        self._server = await asyncio.start_unix_server(self._meet, self.socket)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError):  # who came may have been killed meanwhile
            pid, _, said = (await reader.readline()).decode().strip().partition(" ")
            await self._arrived(int(pid), said)
            writer.write(b"\n")
            await writer.drain()
        writer.close()
