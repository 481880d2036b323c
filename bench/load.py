"""Open-loop load: requests set out on time, whatever became of those before, so that trouble cannot hide."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType

from deploy.demo.fleet.client import Broken, Pool

DEADLINE = 5.0
"""Seconds for one request."""

Request = tuple[str, str]
"""Method and path."""


@dataclass(frozen=True)
class Answer:
    """What became of one request."""

    at: float
    """Unix time at which it set out."""
    seconds: float
    said: str
    """``200``; or another status and the beginning of the body, or the kind of error."""

    @property
    def failed(self) -> bool:
        return self.said != "200"


def failures(answers: Iterable[Answer]) -> dict[str, int]:
    """Everything but a 200, by what was said."""
    return dict(Counter(answer.said for answer in answers if answer.failed))


class Load:
    """While it is entered, sends *rate* requests a second, *requests* in turns. Leaving it waits for every answer."""

    def __init__(self, url: str, requests: Sequence[Request], rate: float) -> None:
        self.answers: list[Answer] = []
        self._pool, self._requests, self._rate = Pool(url), requests, rate
        self._flying: set[asyncio.Task[None]] = set()
        self._sent = 0
        self._began = self._ended = 0.0

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
                request = self._requests[self._sent % len(self._requests)]
                self._sent += 1
                task = asyncio.create_task(self._request(*request))
                self._flying.add(task)
                task.add_done_callback(self._flying.discard)
            await asyncio.sleep(max(0.0, self._began + due / self._rate - time.monotonic()))

    async def _request(self, method: str, path: str) -> None:
        at, began = time.time(), time.perf_counter()
        said = await self._said(method, path)
        self.answers.append(Answer(at, time.perf_counter() - began, said))

    async def _said(self, method: str, path: str) -> str:
        try:
            status, body = await self._pool.request(method, path, DEADLINE)
        except TimeoutError:
            return "timeout"
        except Broken as broken:
            return f"broken: {broken}"
        return "200" if status == 200 else f"{status}: {body[:120].decode(errors='replace')}"
