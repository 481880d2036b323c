"""How many calls run at once, who waits, and who goes when there is no room: of threads and of tasks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from set_clock import Clock
from sternway_guard import DeadlinePassed, Limiter, LimitSettings, Shed, deadline, deadlines, worth

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


@pytest.mark.parametrize(("takes", "left"), [(0.2, 0.2), (10, 0.25)])
async def test_who_waits_keeps_what_a_call_takes_of_its_time_or_half_of_it(takes: float, left: float) -> None:
    clock = Clock()
    limiter = Limiter("disk", ONE, clock=clock)
    for _ in range(40):
        with limiter.place():
            clock.now += takes
    async with limiter.place_async():
        with deadline(0.5):
            with pytest.raises(Shed, match="its turn did not come in time"):
                async with limiter.place_async():
                    pass
            assert 0 < (deadlines.left() or 0) < left + 0.01


async def test_what_nobody_waits_for_takes_the_place_of_nobody_who_waits() -> None:
    limiter, served, shed = Limiter("disk", replace(ONE, waiting=1)), list[float](), list[float]()
    async with limiter.place_async():
        tasks = await started(limiter, [1], served, shed)
        with pytest.raises(DeadlinePassed), deadline(0):
            async with limiter.place_async(5):
                pass
    await asyncio.gather(*tasks)
    assert (served, shed) == ([1], [])


async def test_a_turn_that_comes_after_the_deadline_is_handed_on() -> None:
    limiter, served = Limiter("disk", ONE), list[float]()
    async with limiter.place_async():
        tasks = await started(limiter, [1], served, [])
        with deadline(0.05):
            (late,) = await started(limiter, [2], served, [])
            while (deadlines.left() or 0) > 0:
                pass  # the loop is held up, so that nothing ends the wait before its turn comes
    with pytest.raises(DeadlinePassed):
        await late
    await asyncio.gather(*tasks)
    assert (served, limiter.running, limiter.waiting) == ([1], 0, 0)


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
