"""One queue for what this process writes to the store, in which what is critical goes first.

SQLite admits one writer at a time and lets the others poll for their turn, which costs up to 100 ms; a queue of our own
costs nothing. Small deliveries that wait together are made durable together: in a storm the commits would cost more
than the rows. What has waited for too long is refused, so that a locked store answers 503 while the sender still
listens, and not minutes later.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from queue import Empty, PriorityQueue
from typing import Any, TypeVar

from activities.analytics.store import Store, StoreUnavailable, deliveries
from activities.analytics.store.deliveries import Persisted, Prepared

Answer = TypeVar("Answer")

PATIENCE = 3.0
"""Seconds in the queue; the write itself gives up after :data:`activities.analytics.store.engine.BUSY_SECONDS`."""

THREADS = 4
"""For PostgreSQL; SQLite gets one."""

TOGETHER = 64
"""Deliveries in one transaction."""

SMALL = 8
"""Alerts of a delivery that is stored with others: none of them waits for a large one."""

BEHIND = 8
"""Writes that wait, from which on senders are said to wait."""

FIRST, IN_TURN = 0, 1


@dataclass(order=True)
class _Waiting:
    place: tuple[int, int]
    work: Callable[[], Any] = field(compare=False)
    delivery: Prepared | None = field(compare=False)
    """What *work* would store, where it may be stored together with others."""
    asked: float = field(compare=False, default_factory=time.monotonic)
    answer: Future[Any] = field(compare=False, default_factory=Future[Any])

    def settle(self, work: Callable[[], Any]) -> None:
        """Answer with what *work* returns or raises."""
        try:
            self.answer.set_result(work())
        except BaseException as error:  # noqa: BLE001 -- whoever waits for the answer is told, whatever it is
            self.answer.set_exception(error)


class Writer:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(max_workers=1 if store.sqlite else THREADS, thread_name_prefix="store-writer")
        self._queue = PriorityQueue[_Waiting]()
        self._choosing = threading.Lock()
        """One of several threads at a time: what it takes out and puts back must not be missed by the others."""
        self._numbers = count()

    @property
    def behind(self) -> bool:
        """Whether senders wait for the store: there is more to do than fits into one transaction's time."""
        return self._queue.qsize() > BEHIND

    async def write(self, work: Callable[[], Answer], *, first: bool = False) -> Answer:
        """Run *work* in its turn, or *first*. Raises what it raises, or ``StoreUnavailable`` if that came too late."""
        return await self._enqueue(FIRST if first else IN_TURN, work, None)

    async def persist(self, delivery: Prepared, *, first: bool) -> Persisted:
        """Store a delivery: *first* before everything that only waits for its turn. Raises ``StoreUnavailable``."""
        together = delivery if len(delivery.alerts) <= SMALL else None
        work = partial(deliveries.persist, self._store, delivery)
        return await self._enqueue(FIRST if first else IN_TURN, work, together)

    async def _enqueue(self, urgency: int, work: Callable[[], Answer], delivery: Prepared | None) -> Answer:
        waiting = _Waiting((urgency, next(self._numbers)), work, delivery)
        self._queue.put(waiting)
        self._thread.submit(self._do_next)
        return await asyncio.wrap_future(waiting.answer)

    def _do_next(self) -> None:
        """Called once for each that waits; does the first of them, and the small deliveries right behind it."""
        with self._choosing:
            batch = self._next()
        in_time = [waiting for waiting in batch if not _refused(waiting)]
        if len(in_time) > 1:
            _together(self._store, in_time)
        elif in_time:
            in_time[0].settle(in_time[0].work)

    def _next(self) -> list[_Waiting]:
        """What is to be done now; nothing where all of it has been cancelled, or is in others' batches."""
        batch: list[_Waiting] = []
        with suppress(Empty):
            while len(batch) < TOGETHER:
                waiting = self._queue.get_nowait()
                if batch and waiting.delivery is None:
                    self._queue.put(waiting)
                    break
                if waiting.answer.set_running_or_notify_cancel():
                    batch.append(waiting)
                    if waiting.delivery is None:
                        break
        return batch

    def close(self) -> None:
        """Wait for what is queued."""
        self._thread.shutdown()


def _refused(waiting: _Waiting) -> bool:
    """Whether it has waited for too long, and was told so."""
    waited = time.monotonic() - waiting.asked
    if waited > PATIENCE:
        late = f"the store is behind: this write waited {waited:.1f} s for its turn; send it again"
        waiting.answer.set_exception(StoreUnavailable(late))
    return waited > PATIENCE


def _together(store: Store, batch: list[_Waiting]) -> None:
    several = [waiting.delivery for waiting in batch if waiting.delivery]
    try:
        kept = deliveries.persist_together(store, several)
    except StoreUnavailable as error:
        for waiting in batch:
            waiting.answer.set_exception(error)
    except Exception:  # noqa: BLE001 -- one that cannot be stored must not refuse the others
        for waiting in batch:
            waiting.settle(waiting.work)
    else:
        for waiting, one in zip(batch, kept, strict=True):
            waiting.answer.set_result(one)
