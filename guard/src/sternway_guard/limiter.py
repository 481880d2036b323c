"""A bound on the calls that run at once, which adapts, and a bounded queue before it in which value goes first."""

from __future__ import annotations

import threading
import time
from bisect import insort
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import Any

from sternway_guard import deadlines, earnings, forks
from sternway_guard.errors import Shed
from sternway_guard.limit import Limit
from sternway_guard.settings import LimitSettings

_DEFAULT = LimitSettings()


@dataclass
class Place:
    """Of one call that runs."""

    clock: Callable[[], float]
    process: int
    """In which it was taken: a fork has none of them."""
    failed: bool = False
    """Whether it has no answer, as far as the limit is concerned; whoever holds the place may say so."""
    too_late: bool = False
    """Whether that is because it took too long."""
    began: float = field(init=False)
    answered_at: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def answered(self) -> None:
        """What follows, such as sending the answer to a slow reader, says nothing about the target."""
        self.answered_at = self.clock()


@dataclass(order=True)
class _Waiter:
    """In the order of service: the last of a sorted list is next, the first one goes when somebody better comes."""

    value: float
    turn: int
    """Negative: of equal value, who came first is next."""
    wake: Callable[[], object] = field(compare=False)
    patience: float = field(compare=False)
    """Seconds that it may wait."""
    admitted: bool = field(default=False, compare=False)
    evicted: bool = field(default=False, compare=False)


class Limiter:
    """Of one *target*. Threads and tasks may share it. A call's *value* is what it earns, in any one unit."""

    def __init__(
        self,
        target: object,
        settings: LimitSettings = _DEFAULT,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.target = target
        self.least_value = -inf
        """What is known to earn less is turned away at once; the control plane raises it."""
        self.running: int
        self.shed = 0
        self._settings = settings
        self._clock = clock
        self._limit = Limit(settings)
        self._turn = count(0, -1)
        self._forks = 0
        self.forked()
        forks.remember(self)

    def forked(self) -> None:
        """The places that are taken are the parent's: who gives one of them back here gives back nothing."""
        self._lock = threading.Lock()
        self._waiting: list[_Waiter] = []
        self.running = 0
        self._forks += 1

    @property
    def limit(self) -> float:
        """Calls that may run at once."""
        return self._limit.value

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @contextmanager
    def place(self, value: float | None = None) -> Generator[Place]:
        """Run one call, in this thread. Raises :class:`Shed` where there is no room for it in time, and
        :class:`DeadlinePassed` where it has none."""
        event = threading.Event()
        if waiter := self._enter(value, event.set):
            try:
                event.wait(waiter.patience)
            except BaseException:
                self._give_up(waiter)
                raise
            self._leave_queue(waiter)
        with self._taken() as place:
            yield place

    @asynccontextmanager
    async def place_async(
        self, value: float | None = None, gone: Callable[[], Coroutine[Any, Any, None]] | None = None
    ) -> AsyncGenerator[Place]:
        """The same of a task. While it waits, *gone* is awaited, and ends the wait where it returns: nobody wants the
        answer any more."""
        import asyncio  # 30 ms of import, which only tasks need, and they have it

        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        if waiter := self._enter(value, lambda: loop.call_soon_threadsafe(event.set)):
            listens = loop.create_task(gone()) if gone else None
            if listens:
                listens.add_done_callback(lambda _ended: event.set())
            try:
                async with asyncio.timeout(waiter.patience):
                    await event.wait()
            except TimeoutError:
                pass
            except BaseException:
                self._give_up(waiter)
                raise
            finally:
                if listens:
                    listens.cancel()
            self._leave_queue(waiter)
        with self._taken() as place:
            yield place

    @contextmanager
    def _taken(self) -> Generator[Place]:
        """The place of a call whose turn has come, by now too late perhaps."""
        place = Place(self._clock, self._forks)
        try:
            deadlines.require(self.target)
            yield place
        except BaseException as error:
            place.failed, place.too_late = True, isinstance(error, TimeoutError)
            raise
        finally:
            self._ended(place)

    def _patience(self) -> float:
        """Who is served must have enough time left for an answer. Where calls take so long that this would leave
        next to nothing for waiting, and so none of it to value, half of the time may be waited."""
        left = deadlines.left()
        longest = self._settings.longest_wait
        return longest if left is None else min(longest, max(left - self._limit.enough, left / 2))

    def _enter(self, said: float | None, wake: Callable[[], object]) -> _Waiter | None:
        """None: it runs. Raises :class:`Shed` or :class:`DeadlinePassed`."""
        deadlines.require(self.target)
        known = earnings.said() if said is None else said
        value = self._settings.usual_worth if known is None else known
        with self._lock:
            if known is not None and known < self.least_value:
                self._refuse(f"only what is worth {self.least_value:g} or more is served now")
            if self.running < self._limit.value and not self._waiting:
                self.running += 1
                return None
            if not self._settings.waiting:
                self._refuse("as many calls run as may")
            waiter = _Waiter(value, next(self._turn), wake, self._patience())
            if len(self._waiting) >= self._settings.waiting:
                if self._waiting[0] > waiter:
                    self._refuse("as many calls wait as may, and none is worth less")
                self._evict(self._waiting.pop(0))
            insort(self._waiting, waiter)
            return waiter

    def _evict(self, waiter: _Waiter) -> None:
        waiter.evicted = True
        self.shed += 1
        _wake(waiter)

    def _refuse(self, reason: str) -> None:
        self.shed += 1
        raise Shed(self.target, reason)

    def _leave_queue(self, waiter: _Waiter) -> None:
        """It runs now, or raises :class:`Shed`."""
        with self._lock:
            if waiter.admitted:
                return
            if waiter.evicted:
                raise Shed(self.target, "something worth more took its place")
            self._waiting.remove(waiter)
            self._refuse("its turn did not come in time")

    def _give_up(self, waiter: _Waiter) -> None:
        """Its task was cancelled, perhaps just when its turn had come."""
        with self._lock:
            if not waiter.admitted and not waiter.evicted:
                self._waiting.remove(waiter)
                return
        if waiter.admitted:
            self._ended(Place(self._clock, self._forks, failed=True))

    def _ended(self, place: Place) -> None:
        """How long a failure took says nothing about how long an answer takes, unless it came because of the time."""
        if place.process != self._forks:
            return
        with self._lock:
            now = self._clock()
            if place.too_late:
                self._limit.overloaded()
            elif not place.failed:
                ended = now if place.answered_at is None else place.answered_at
                self._limit.took(ended - place.began, self.running, now)
            self.running -= 1
            while self._waiting and self.running < self._limit.value:
                waiter = self._waiting.pop()
                waiter.admitted = _wake(waiter)
                self.running += waiter.admitted


def _wake(waiter: _Waiter) -> bool:
    """Whether there is somebody: a task whose loop was closed never comes back."""
    try:
        waiter.wake()
    except RuntimeError:
        return False
    return True
