"""Many threads and many tasks at once: no call is lost, no transition is, and nothing gets stuck."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from random import Random

import pytest
from set_clock import Clock
from sternway_guard import Breaker, BreakerOpen, BreakerSettings, Fixed, Learned, Mode, State, Transition

TRIPS = [Learned(least=5), Fixed(share=0.5, least=10, seconds=1)]


@pytest.fixture(autouse=True)
def threads_change_all_the_time() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Crowd:
    """Callers of one breaker, whose time goes on with every call of anybody."""

    def __init__(self, trips: Learned | Fixed) -> None:
        self.clock, self.heard = Clock(), list[Transition]()
        self.settings = BreakerSettings(trips=trips, slow_after=50, open_for=1, longest_open=4, stage=2)
        self.breaker = Breaker("payments", self.settings, listeners=(self.heard.append,), clock=self.clock)
        self.made = self.rejected = 0
        self._lock = threading.Lock()

    def call(self, random: Random) -> None:
        """Every other thousand calls of all are an outage."""
        self.clock.now += 0.001
        outage = (self.made + self.rejected) // 1000 % 2
        try:
            attempt = self.breaker.begin()
        except BreakerOpen:
            with self._lock:
                self.rejected += 1
            return
        with self._lock:
            self.made += 1
        attempt.end(ValueError() if random.random() < (0.9 if outage else 0.001) else None)

    def is_consistent(self) -> None:
        assert self.breaker.counts.running == 0
        state = State.CLOSED
        for transition in self.heard:
            assert transition.before is state
            state = transition.after
        assert self.breaker.state is state
        assert len(self.heard) >= 3, "it has tripped, probed, and decided"

    def comes_back(self) -> None:
        for _ in range(2000):
            if self.breaker.state is State.CLOSED:
                return
            self.clock.now += 0.1
            try:
                self.breaker.begin().end()
            except BreakerOpen:
                continue
        raise AssertionError(f"it is {self.breaker.state} for good")


def in_eight_threads(crowd: Crowd) -> None:
    """1,500 calls in each of them."""

    def calls(seed: int) -> None:
        random = Random(seed)
        for _ in range(1500):
            crowd.call(random)

    threads = [threading.Thread(target=calls, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


@pytest.mark.parametrize("trips", TRIPS, ids=["learned", "fixed"])
def test_threads(trips: Learned | Fixed) -> None:
    crowd = Crowd(trips)
    in_eight_threads(crowd)
    assert crowd.made + crowd.rejected == 8 * 1500
    crowd.is_consistent()
    crowd.comes_back()


@pytest.mark.parametrize("trips", TRIPS, ids=["learned", "fixed"])
async def test_tasks_of_which_some_are_cancelled(trips: Learned | Fixed) -> None:
    crowd = Crowd(trips)

    @crowd.breaker
    async def called(fails: bool) -> None:
        await asyncio.sleep(0)
        if fails:
            raise ValueError

    async def calls(seed: int) -> None:
        random = Random(seed)
        for number in range(600):
            crowd.clock.now += 0.001
            try:
                task = asyncio.create_task(called(number // 100 % 2 == 1 and random.random() < 0.9))
                if random.random() < 0.05:
                    await asyncio.sleep(0)
                    task.cancel()
                await task
            except (ValueError, BreakerOpen, asyncio.CancelledError):
                continue

    await asyncio.gather(*(calls(seed) for seed in range(8)))
    crowd.is_consistent()
    crowd.comes_back()


def test_a_slow_listener_hears_of_transitions_in_their_order() -> None:
    crowd, slow = Crowd(Fixed(share=0.5, least=10, seconds=1)), threading.Event()

    def listener(transition: Transition) -> None:
        slow.wait(0.002)
        crowd.heard.append(transition)

    crowd.breaker = Breaker("payments", crowd.settings, listeners=(listener,), clock=crowd.clock)

    in_eight_threads(crowd)
    crowd.is_consistent()


def test_modes_that_are_set_while_calls_run_leave_it_whole() -> None:
    crowd, over = Crowd(Fixed(share=0.5, least=10, seconds=1)), threading.Event()

    def calls(seed: int) -> None:
        random = Random(seed)
        while not over.is_set():
            crowd.call(random)

    threads = [threading.Thread(target=calls, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for number in range(2000):
        crowd.breaker.mode = list(Mode)[number % len(Mode)]
    over.set()
    for thread in threads:
        thread.join(60)
    crowd.breaker.mode = Mode.ON
    assert crowd.breaker.counts.running == 0
    crowd.comes_back()
