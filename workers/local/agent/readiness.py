"""Whether a replica is ready: it answers ``GET /healthz`` with 200, asked often until it does and each second after.

Asked over a bare connection: with tens of replicas a whole HTTP client would be the agent's main expense.
"""

from __future__ import annotations

import asyncio

UNTIL_READY = 0.1
WHILE_READY = 1.0
PATIENCE = 1.0
"""Seconds that one answer may take."""
MISSES = 3
"""So many unanswered questions in a row make a ready replica unready: one late answer of a busy process does not."""

REQUEST = b"GET /healthz HTTP/1.1\r\nhost: replica\r\nconnection: close\r\n\r\n"


async def healthy(host: str, port: int) -> bool:
    """Whether the replica at this address says that it is ready, now."""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(REQUEST)
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return False
    return status.split(maxsplit=2)[1:2] == [b"200"]


class Readiness:
    """What the answers so far amount to. Pure: :meth:`heard` is told each answer, the properties say what follows."""

    def __init__(self, ready: bool) -> None:
        self.ready = ready
        self._missed = 0

    def heard(self, answer: bool) -> None:
        self._missed = 0 if answer else self._missed + 1
        self.ready = answer or (self.ready and self._missed < MISSES)

    @property
    def interval(self) -> float:
        """Seconds until the next question."""
        return WHILE_READY if self.ready else UNTIL_READY
