"""One live replica in the agent's hands: told when its process ends, and ended by it without hitting another."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time

from workers.local.agent import process
from workers.local.agent.discovery import Listed
from workers.local.agent.readiness import Readiness
from workers.local.agent.rows import Row

PATIENCE = 10.0
"""Seconds between asking a process to end and ending it."""


class Replica:
    """A replica whose process was alive at a moment ago. Adopted and own children are watched alike, by pidfd."""

    def __init__(self, row: Row, host: str, deaths: int, child: subprocess.Popen[bytes] | None) -> None:
        """*deaths*: in a row, of those before it in its place. *child*: only where this agent started it."""
        self.row = row
        self.deaths = deaths
        self.draining = row.draining
        self.readiness = Readiness(ready=False)
        self.ready_since: float | None = None
        self.exited = asyncio.Event()
        self._host = host
        self._child = child
        self._pidfd = process.open_pidfd(row.identity) if row.identity else None
        if self._pidfd is None:
            self._ended()
        else:
            asyncio.get_running_loop().add_reader(self._pidfd, self._ended)

    def heard(self, answer: bool) -> None:
        """Take note of an answer to the readiness question."""
        self.readiness.heard(answer)
        if not self.readiness.ready:
            self.ready_since = None
        elif self.ready_since is None:
            self.ready_since = time.monotonic()

    @property
    def ready(self) -> bool:
        return self.readiness.ready and not self.draining

    @property
    def ready_for(self) -> float:
        """Seconds."""
        return 0.0 if self.ready_since is None else time.monotonic() - self.ready_since

    @property
    def listed(self) -> Listed:
        status = "draining" if self.draining else "ready" if self.ready else "starting"
        row = self.row
        return Listed(
            id=row.id,
            region=row.region,
            service=row.service,
            release=row.release,
            address=f"{self._host}:{row.port}",
            status=status,
            pid=row.identity.pid if row.identity else 0,
        )

    async def end(self) -> None:
        """Ask the process to end, wait, and if need be end it with its whole process group."""
        if self._pidfd is not None:
            process.send(self._pidfd, signal.SIGTERM)
        try:
            async with asyncio.timeout(PATIENCE):
                await self.exited.wait()
        except TimeoutError:
            if self.row.identity:
                process.kill(self.row.identity)
            await self.exited.wait()

    def let_go(self) -> None:
        """Stop watching; the process lives on."""
        if self._pidfd is not None:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _ended(self) -> None:
        self.let_go()
        if self._child:
            self._child.wait()  # it has ended: this only takes the zombie away
        self.exited.set()
