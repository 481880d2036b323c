"""Open-loop load: requests set out on time, whatever became of those before, so that trouble cannot hide."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from types import TracebackType

from deploy.demo.fleet.client import Broken, Pool

DEADLINE = 5.0
"""Seconds for one request."""


class Load:
    """While it is entered, sends *rate* requests a second. Leaving it waits for every answer."""

    def __init__(self, url: str, method: str, path: str, rate: float) -> None:
        self.answers: Counter[str] = Counter()
        self._pool, self._method, self._path, self._rate = Pool(url), method, path, rate
        self._flying: set[asyncio.Task[None]] = set()
        self._sent = 0
        self._began = self._ended = 0.0

    @property
    def total(self) -> int:
        return sum(self.answers.values())

    @property
    def failed(self) -> dict[str, int]:
        """Everything but a 200, by status and the beginning of the body, or by kind of error."""
        return {answer: number for answer, number in self.answers.items() if answer != "200"}

    @property
    def rate(self) -> float:
        """Requests a second that really set out."""
        return self._sent / (self._ended - self._began)

    async def __aenter__(self) -> Load:
        self._began = time.monotonic()
        self._sending = asyncio.create_task(self._send())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sending.cancel()
        self._ended = time.monotonic()
        await asyncio.gather(*self._flying)
        self._pool.close()

    async def _send(self) -> None:
        """A late tick sends what fell due meanwhile."""
        while True:
            due = int((time.monotonic() - self._began) * self._rate) + 1
            while self._sent < due:
                self._sent += 1
                task = asyncio.create_task(self._request())
                self._flying.add(task)
                task.add_done_callback(self._flying.discard)
            await asyncio.sleep(max(0.0, self._began + due / self._rate - time.monotonic()))

    async def _request(self) -> None:
        try:
            status, body = await self._pool.request(self._method, self._path, DEADLINE)
            self.answers["200" if status == 200 else f"{status}: {body[:120].decode(errors='replace')}"] += 1
        except TimeoutError:
            self.answers["timeout"] += 1
        except Broken as broken:
            self.answers[f"broken: {broken}"] += 1
