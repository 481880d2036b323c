"""Small real HTTP/1.1 servers that play the replicas, and the platform's list of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from typing import Any


class _Server(ABC):
    """Connections served by :meth:`_serve`; closing resets those that are open."""

    async def _listen(self, port: int = 0) -> str:
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def kill(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        task = asyncio.get_running_loop().create_task(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await self._answer((await reader.readuntil(b"\r\n\r\n")).decode(), writer)
        self._writers.discard(writer)
        writer.close()

    @abstractmethod
    async def _answer(self, request: str, writer: asyncio.StreamWriter) -> None:
        """Write the answer to one request, of which this is the head."""


class Replica(_Server):
    """Answers every request with its release, after *delay* seconds, unless it *resets*. Killing it resets, too.

    *served* counts the requests by method and host.
    """

    def __init__(self, service: str, release: str, region: str) -> None:
        self.service, self.release, self.region = service, release, region
        self.delay, self.status, self.resets = 0.0, 200, False
        self.in_flight = 0
        self.served: Counter[str] = Counter()

    async def start(self) -> Replica:
        self.address = await self._listen()
        return self

    async def _answer(self, request: str, writer: asyncio.StreamWriter) -> None:
        self.served[f"{request.split()[0]} {request.lower().partition('host: ')[2].split()[0]}"] += 1
        self.in_flight += 1
        try:
            if self.delay:
                await asyncio.sleep(self.delay)
            if self.resets:
                writer.transport.abort()
                return
            body = self.release.encode()
            writer.write(b"HTTP/1.1 %d OK\r\ncontent-length: %d\r\n\r\n" % (self.status, len(body)) + body)
            await writer.drain()
        finally:
            self.in_flight -= 1


class ReplicaList(_Server):
    """Serves ``GET /v1/replicas`` as a long poll, and the deployment history, in the platform agent's words."""

    def __init__(self) -> None:
        self.version = 1
        self.replicas: list[tuple[Replica, str]] = []
        self.seen = 0
        self.newest: str | None = None
        self._changed = asyncio.Event()

    async def start(self) -> ReplicaList:
        self.url = f"http://{await self._listen()}"
        return self

    async def restart(self) -> None:
        """Listen where it did before it was killed."""
        await self._listen(int(self.url.rpartition(":")[2]))

    def set(self, *replicas: Replica, draining: tuple[Replica, ...] = ()) -> int:
        """Make these the replicas; the new version."""
        self.replicas = [(r, "draining" if r in draining else "ready") for r in replicas]
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()
        return self.version

    async def _answer(self, request: str, writer: asyncio.StreamWriter) -> None:
        body = json.dumps(await self._told(request.split()[1])).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()

    async def _told(self, target: str) -> dict[str, Any]:
        if "/services/" in target:
            deployments = [{"release": self.newest, "at": "2026-01-01T00:00:00Z"}] if self.newest else []
            return {"generation": 0, "state": {}, "replicas": {}, "ready": {}, "deployments": deployments}
        after = int(target.partition("after=")[2].partition("&")[0])
        self.seen = after
        if after == self.version:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 10)
        return {"version": self.version, "replicas": [self._listed(*entry) for entry in self.replicas]}

    def _listed(self, replica: Replica, status: str) -> dict[str, Any]:
        return {
            "id": replica.address,
            "region": replica.region,
            "service": replica.service,
            "release": replica.release,
            "address": replica.address,
            "status": status,
            "pid": 1,
        }
