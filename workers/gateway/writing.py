"""One queue for what this process writes to the store.

SQLite admits one writer at a time and lets the others poll for their turn, which costs up to 100 ms; a queue of our own
costs nothing. What has waited in it for too long is refused, so that a locked store answers 503 while the sender still
listens, and not minutes later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from activities.analytics.store import Store, StoreUnavailable

Answer = TypeVar("Answer")

PATIENCE = 3.0
"""Seconds in the queue; the write itself gives up after :data:`activities.analytics.store.engine.BUSY_SECONDS`."""


class Writer:
    def __init__(self, store: Store) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1 if store.sqlite else 4, thread_name_prefix="store-writer")

    async def write(self, work: Callable[[], Answer]) -> Answer:
        """Run *work* in its turn. Raises what it raises, or ``StoreUnavailable`` where its turn came too late."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, _in_time, work, time.monotonic())

    def close(self) -> None:
        """Wait for what is queued."""
        self._thread.shutdown()


def _in_time(work: Callable[[], Answer], asked: float) -> Answer:
    waited = time.monotonic() - asked
    if waited > PATIENCE:
        raise StoreUnavailable(f"the store is behind: this write waited {waited:.1f} s for its turn; send it again")
    return work()
