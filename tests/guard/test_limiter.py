"""How many calls run at once, who waits, and who goes when there is no room: of threads and of tasks."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from set_clock import Clock
from sternway_guard import Limiter, LimitSettings, Shed, deadline, worth
from sternway_guard.limit import Limit

from tests.waiting import until

ONE = LimitSettings(initial=1, least=1, most=1, waiting=3, longest_wait=20)


async def started(
    limiter: Limiter, values: Sequence[float], served: list[float], shed: list[float]
) -> list[asyncio.Task[None]]:
    """A task for each value, which have come one after the other."""

    async def call(value: float) -> None:
        try:
            async with limiter.place_async(value):
                served.append(value)
        except Shed:
            shed.append(value)

    tasks: list[asyncio.Task[None]] = []
    for value in values:
        tasks.append(asyncio.create_task(call(value)))
        await asyncio.sleep(0)
    return tasks


async def test_the_most_valuable_is_served_next_and_of_equal_ones_the_first() -> None:
    limiter, served, shed = Limiter("disk", ONE), list[float](), list[float]()
    async with limiter.place_async():
        tasks = await started(limiter, [1, 3, 2], served, shed)
    await asyncio.gather(*tasks)
    assert (served, shed) == ([3, 2, 1], [])


async def test_where_the_queue_is_full_the_least_valuable_goes() -> None:
    limiter, served, shed = Limiter("disk", ONE), list[float](), list[float]()
    async with limiter.place_async():
        tasks = await started(limiter, [1, 3, 2, 2, 0.5, 5], served, shed)
        assert (limiter.waiting, limiter.shed) == (3, 3)
    await asyncio.gather(*tasks)
    assert (served, sorted(shed)) == ([5, 3, 2], [0.5, 1, 2])


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(0, 4))
def test_whatever_comes_the_best_are_served_in_their_order(values: list[int], room: int) -> None:
    async def run() -> tuple[list[float], list[float]]:
        limiter = Limiter("disk", LimitSettings(initial=1, least=1, most=1, waiting=room, longest_wait=20))
        served, shed = list[float](), list[float]()
        async with limiter.place_async():
            tasks = await started(limiter, values, served, shed)
        await asyncio.gather(*tasks)
        assert (limiter.running, limiter.waiting, limiter.shed) == (0, 0, len(shed))
        return served, shed

    served, shed = asyncio.run(run())
    assert served == sorted(values, reverse=True)[:room]
    assert sorted([*served, *shed]) == sorted(values)


async def test_nobody_waits_beyond_the_longest_wait_nor_beyond_the_deadline() -> None:
    limiter = Limiter("disk", LimitSettings(initial=1, least=1, most=1, waiting=3, longest_wait=0.01))
    patient = Limiter("disk", ONE)
    async with limiter.place_async(), patient.place_async():
        with pytest.raises(Shed, match="its turn did not come in time"):
            async with limiter.place_async():
                pass
        with pytest.raises(Shed, match="its turn did not come in time"), deadline(0.01):
            async with patient.place_async():
                pass
    assert (limiter.waiting, patient.waiting) == (0, 0)


async def test_a_task_that_is_cancelled_while_it_waits_keeps_no_place() -> None:
    limiter, served, shed = Limiter("disk", ONE), list[float](), list[float]()
    async with limiter.place_async():
        first, second = await started(limiter, [2, 1], served, shed)
        first.cancel()
        await asyncio.sleep(0)
        assert limiter.waiting == 1
    await second
    assert (served, limiter.running) == ([1], 0)


async def test_a_task_that_is_cancelled_just_when_its_turn_comes_hands_its_place_on() -> None:
    limiter, served, shed = Limiter("disk", ONE), list[float](), list[float]()
    async with limiter.place_async():
        first, second = await started(limiter, [2, 1], served, shed)
    first.cancel()
    await asyncio.wait([first, second])
    assert (served, limiter.running, limiter.waiting) == ([1], 0, 0)


async def test_threads_and_tasks_wait_in_one_queue() -> None:
    limiter, served = Limiter("disk", ONE), list[float]()

    def call() -> None:
        with limiter.place(1):
            served.append(1)

    async with limiter.place_async():
        thread = threading.Thread(target=call)
        thread.start()
        await until(lambda: limiter.waiting == 1, 5, "the thread waits")
        tasks = await started(limiter, [2], served, [])
    await asyncio.gather(*tasks)
    await asyncio.to_thread(thread.join, 5)
    assert (served, limiter.running) == ([2, 1], 0)


def test_many_threads_never_run_more_than_may_and_all_come_to_an_end() -> None:
    limiter = Limiter("disk", LimitSettings(initial=3, least=3, most=3, waiting=200, longest_wait=30))
    running, most, lock = 0, 0, threading.Lock()

    def call() -> None:
        nonlocal running, most
        for _ in range(50):
            with limiter.place():
                with lock:
                    running += 1
                    most = max(most, running)
                with lock:
                    running -= 1

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (most <= 3, limiter.running, limiter.waiting, limiter.shed) == (True, 0, 0, 0)


def test_a_thread_that_is_interrupted_while_it_waits_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: threading.Event, timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    limiter = Limiter("disk", ONE)
    with limiter.place():
        monkeypatch.setattr(threading.Event, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt), limiter.place():
            pass
        assert limiter.waiting == 0
    assert limiter.running == 0


def test_without_a_queue_a_call_that_finds_no_room_is_turned_away() -> None:
    limiter = Limiter("disk", LimitSettings(initial=2, least=2, most=2))
    with ExitStack() as both:
        both.enter_context(limiter.place())
        both.enter_context(limiter.place())
        with pytest.raises(Shed, match="disk: as many calls run as may"), limiter.place():
            pass
    with limiter.place():
        assert limiter.running == 1


def test_what_earns_too_little_now_is_turned_away_though_there_is_room() -> None:
    limiter = Limiter("disk")
    limiter.least_value = 5
    with worth(4), pytest.raises(Shed, match="only what is worth 5 or more is served now"), limiter.place():
        pass
    with worth(5), limiter.place():
        pass
    with limiter.place():
        pass  # what it is worth is not known
    with limiter.place(6):
        pass


def test_a_place_is_kept_for_nobody_whose_loop_was_closed() -> None:
    limiter, loop = Limiter("disk", ONE), asyncio.new_event_loop()
    with limiter.place():
        (gone,) = loop.run_until_complete(started(limiter, [1], [], []))
        loop.close()
    assert (limiter.running, limiter.waiting) == (0, 0)
    gone._log_destroy_pending = False  # pyright: ignore[reportAttributeAccessIssue] -- asyncio would complain of it


def test_failures_that_come_at_once_do_not_make_answers_look_slow() -> None:
    clock = Clock()
    limiter = Limiter("disk", clock=clock)
    for number in range(2000):
        with suppress(ValueError), limiter.place():
            clock.now += 0.0001 if number % 2 else 0.05
            if number % 2:
                raise ValueError
    assert limiter.limit >= 20


def test_calls_whose_time_is_over_lower_the_limit() -> None:
    limiter = Limiter("disk")
    for _ in range(100):
        with suppress(TimeoutError), limiter.place():
            raise TimeoutError
    assert limiter.limit == LimitSettings().least


# The limit itself, against a target of known size

TIMES: dict[str, Callable[[Random], float]] = {
    "all the same": lambda _random: 0.05,
    "a little different": lambda random: random.uniform(0.04, 0.06),
    "exponential": lambda random: random.expovariate(20),
    "log-normal": lambda random: 0.05 * random.lognormvariate(-0.5, 1),
    "health checks among them": lambda random: 0.001 if random.random() < 0.1 else 0.0554,
}
"""What a call takes, of a mean of 0.05 s."""


@dataclass
class Run:
    goodput: float
    """Calls that were served, of the best that the target could."""
    shed: float
    """Share of the calls."""
    takes: float
    """On average, in multiples of what a call takes where none waits."""


def simulated(at_once: int, load: float, takes: Callable[[Random], float], slower: float = 1.0) -> Run:
    """A minute of a target that serves so many calls at once while others wait there, behind a limit. In the second
    half of it, calls take *slower* times as long."""
    random, limit, minute = Random(1), Limit(LimitSettings()), 60.0
    events: list[tuple[float, int, float | None]] = [(0.0, 0, None)]
    """When a call comes, or one that began at that time ends."""
    waiting: deque[float] = deque()
    running = busy = served = shed = turn = 0
    took = 0.0

    def begin(now: float, began: float) -> None:
        nonlocal turn
        turn += 1
        heappush(events, (now + takes(random) * (slower if now > minute / 2 else 1), turn, began))

    while events and events[0][0] < minute:
        now, _, began = heappop(events)
        if began is None:
            turn += 1
            heappush(events, (now + random.expovariate(load * at_once / 0.05), turn, None))
            if running >= limit.value:
                shed += 1
                continue
            running += 1
            if busy < at_once:
                busy += 1
                begin(now, now)
            else:
                waiting.append(now)
            continue
        limit.took(now - began, running, now)
        running, served, took = running - 1, served + 1, took + now - began
        if waiting:
            begin(now, waiting.popleft())
        else:
            busy -= 1
    possible = at_once / 0.05 * minute * (1 + 1 / slower) / 2
    return Run(served / min(possible, load * at_once / 0.05 * minute), shed / (shed + served), took / served / 0.05)


@pytest.mark.parametrize("takes", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("at_once", [8, 40])
@pytest.mark.parametrize("load", [2, 10])
def test_under_overload_a_target_is_kept_busy_and_little_waits_there(
    at_once: int, load: float, takes: Callable[[Random], float]
) -> None:
    run = simulated(at_once, load, takes)
    assert run.goodput > 0.95
    assert run.takes < 5


@pytest.mark.parametrize("takes", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("at_once", [8, 40])
def test_without_overload_next_to_nothing_is_shed_however_long_calls_take(
    at_once: int, takes: Callable[[Random], float]
) -> None:
    run = simulated(at_once, 0.6, takes)
    assert run.shed < 0.01
    assert run.takes < 1.2


@pytest.mark.parametrize("takes", TIMES.values(), ids=TIMES)
def test_a_target_that_becomes_slower_is_used_as_much_as_it_can_be(takes: Callable[[Random], float]) -> None:
    assert simulated(8, 2, takes, slower=3).goodput > 0.9


def test_a_limit_that_is_not_reached_is_not_raised() -> None:
    limit, now = Limit(LimitSettings()), 0.0
    for _ in range(1000):
        now += 0.05
        limit.took(0.05, 3, now)
    assert limit.value == LimitSettings().initial
