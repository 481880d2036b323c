"""Open-loop load: requests start on time, whether or not the earlier ones have been answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from types import TracebackType


class Load:
    """While it is entered, sends *rate* requests a second to *port*. *answers* counts ``status release``."""

    def __init__(self, port: int, rate: float = 250, method: str = "GET") -> None:
        self.answers: Counter[str] = Counter()
        self._port, self._rate, self._method = port, rate, method
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._running: set[asyncio.Task[None]] = set()

    @property
    def total(self) -> int:
        return sum(self.answers.values())

    @property
    def failed(self) -> dict[str, int]:
        return {answer: n for answer, n in self.answers.items() if not answer.startswith("200 ")}

    async def __aenter__(self) -> Load:
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ticking.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for _, writer in self._idle:
            writer.close()

    async def _tick(self) -> None:
        started, sent = time.monotonic(), 0
        while True:
            while sent < (time.monotonic() - started) * self._rate:
                task = asyncio.create_task(self._one())
                self._running.add(task)
                task.add_done_callback(self._running.discard)
                sent += 1
            await asyncio.sleep(0.002)

    async def _one(self) -> None:
        try:
            async with asyncio.timeout(10):
                self.answers[await self._ask()] += 1
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.answers[f"error {type(error).__name__}"] += 1

    async def _ask(self) -> str:
        connection = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = connection
        writer.write(f"{self._method} / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        body = await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
        if "connection: close" in head:
            writer.close()
        else:
            self._idle.append(connection)
        return f"{head.split()[1]} {body.decode().strip()}"


async def ask(port: int) -> str:
    """One request: its status and body, or the name of the error."""
    load = Load(port)
    try:
        return await load._ask()
    except (OSError, asyncio.IncompleteReadError) as error:
        return type(error).__name__
    finally:
        for _, writer in load._idle:
            writer.close()
