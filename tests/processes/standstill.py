"""Something happens to a process in the middle of its work: it says at which fault point it is, and stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

Act = Callable[[int], None]
"""Told the process's id."""


class Standstill:
    """Listens to the fault points of processes."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.met = 0
        self._point = ""
        self._act: Act = lambda _pid: None

    def at(self, point: str, act: Act) -> None:
        """Do *act* when the first process comes to *point*, and only then let it go on."""
        self._point, self._act, self.met = point, act, 0

    def off(self) -> None:
        """Let all processes pass."""
        self._point = ""

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One process at one point."""
        pid, _, point = (await reader.readline()).decode().strip().partition(" ")
        if self._point and point.startswith(self._point):
            self.off()
            self._act(int(pid))
            self.met += 1
        writer.write(b"\n")
        writer.close()


@asynccontextmanager
async def standstills(folder: Path) -> AsyncGenerator[Standstill]:
    """Listening on a socket for ``STERNWAY_FAULT_POINTS``."""
    found = Standstill(folder / "points")
    server = await asyncio.start_unix_server(found.meet, found.socket)
    try:
        yield found
    finally:
        server.close()
