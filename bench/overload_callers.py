"""Callers who come whether they are answered or not, have a deadline, and try again when they fail."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from random import Random

from sternway_guard import Breaker, BreakerOpen, RetryBudget, deadlines

from deploy.demo.fleet.client import Broken, Pool

DEADLINE = 1.0
"""Seconds for a request, its retries included."""
ATTEMPTS = 3
BACKOFF = 0.05
"""Seconds before the second attempt, by chance up to as much more, and twice as long before the third."""

MIX = {"/critical": 0.1, "/normal": 0.3, "/low": 0.6}


@dataclass(frozen=True)
class Outcome:
    """What became of one request."""

    path: str
    at: float
    """Seconds since the run began, when it came."""
    ended: float
    ok: bool


@dataclass(frozen=True)
class Manners:
    """What callers have: a retry budget, a breaker, or neither."""

    budget: RetryBudget | None = None
    breaker: Breaker | None = None


class Callers:
    """Send what *phases* say: for so many seconds so many requests a second."""

    def __init__(self, url: str, manners: Manners, seed: int) -> None:
        self.outcomes: list[Outcome] = []
        self.attempts = 0
        self._pool, self._manners, self._random = Pool(url), manners, Random(seed)

    async def run(self, phases: list[tuple[float, float]]) -> None:
        self._began = time.monotonic()
        flying: set[asyncio.Task[None]] = set()
        starts = self._began
        for seconds, rate in phases:
            ends, at = starts + seconds, starts
            while (at := at + self._random.expovariate(rate)) < ends:
                if (wait := at - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                task = asyncio.create_task(self._request(at))
                flying.add(task)
                task.add_done_callback(flying.discard)
            starts = ends
        if flying:
            await asyncio.wait(flying)
        self._pool.close()

    async def _request(self, at: float) -> None:
        (path,) = self._random.choices(list(MIX), list(MIX.values()))
        if self._manners.budget:
            self._manners.budget.called()
        ok = await self._attempts(path, at + DEADLINE)
        self.outcomes.append(Outcome(path, at - self._began, time.monotonic() - self._began, ok))

    async def _attempts(self, path: str, until: float) -> bool:
        for attempt in range(ATTEMPTS):
            if attempt:
                if self._manners.budget and not self._manners.budget.spend():
                    return False
                await asyncio.sleep(BACKOFF * 2 ** (attempt - 1) * self._random.uniform(1, 2))
            left = until - time.monotonic()
            if left <= 0:
                return False
            if await self._attempt(path, left):
                return True
        return False

    async def _attempt(self, path: str, left: float) -> bool:
        breaker = self._manners.breaker
        try:
            call = breaker.begin() if breaker else None
        except BreakerOpen:
            return False
        self.attempts += 1
        try:
            headers = {deadlines.HEADER: deadlines.to_header(left)}
            status, _ = await self._pool.request("GET", path, left, headers)
            ok = status == 200
        except (Broken, TimeoutError):
            ok = False
        if call:
            call.end(None if ok else ConnectionError())
        return ok


async def capacity(url: str, at_once: int, seconds: float) -> float:
    """Requests a second that are answered, with as many on their way as are served at once: the floor."""
    pool, answered, ends = Pool(url), 0, time.monotonic() + seconds

    async def one_after_the_other() -> None:
        nonlocal answered
        while time.monotonic() < ends:
            await pool.request("GET", "/low", 10)
            answered += 1

    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
    pool.close()
    return answered / seconds
