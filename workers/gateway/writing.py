"""One queue for what this process writes to the store, in which what is critical goes first.

SQLite admits one writer at a time and lets the others poll for their turn, which costs up to 100 ms; a queue of our own
costs nothing. What has waited in it for too long is refused, so that a locked store answers 503 while the sender still
listens, and not minutes later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from queue import PriorityQueue
from typing import Any, TypeVar

from activities.analytics.store import Store, StoreUnavailable

Answer = TypeVar("Answer")

PATIENCE = 3.0
"""Seconds in the queue; the write itself gives up after :data:`activities.analytics.store.engine.BUSY_SECONDS`."""

FIRST, IN_TURN = 0, 1


@dataclass(order=True)
class _Waiting:
    place: tuple[int, int]
    work: Callable[[], Any] = field(compare=False)
    asked: float = field(compare=False)
    answer: Future[Any] = field(compare=False)


class Writer:
    def __init__(self, store: Store) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1 if store.sqlite else 4, thread_name_prefix="store-writer")
        self._queue = PriorityQueue[_Waiting]()
        self._numbers = count()

    async def write(self, work: Callable[[], Answer]) -> Answer:
        """Run *work* in its turn. Raises what it raises, or ``StoreUnavailable`` where its turn came too late."""
        return await self._enqueue(IN_TURN, work)

    async def write_first(self, work: Callable[[], Answer]) -> Answer:
        """As :meth:`write`, before everything that only waits for its turn."""
        return await self._enqueue(FIRST, work)

    async def _enqueue(self, urgency: int, work: Callable[[], Answer]) -> Answer:
        waiting = _Waiting((urgency, next(self._numbers)), work, time.monotonic(), Future[Answer]())
        self._queue.put(waiting)
        self._thread.submit(self._do_next)
        return await asyncio.wrap_future(waiting.answer)

    def _do_next(self) -> None:
        """Called once for each that waits, and does the first of those that wait by then."""
        waiting = self._queue.get_nowait()
        if not waiting.answer.set_running_or_notify_cancel():
            return
        try:
            waiting.answer.set_result(_in_time(waiting.work, waiting.asked))
        except BaseException as error:  # noqa: BLE001 -- whoever waits for the answer is told, whatever it is
            waiting.answer.set_exception(error)

    def close(self) -> None:
        """Wait for what is queued."""
        self._thread.shutdown()


def _in_time(work: Callable[[], Answer], asked: float) -> Answer:
    waited = time.monotonic() - asked
    if waited > PATIENCE:
        raise StoreUnavailable(f"the store is behind: this write waited {waited:.1f} s for its turn; send it again")
    return work()
