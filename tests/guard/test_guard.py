"""A guard as a whole: its parts in their order, for functions, coroutines and blocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from functools import partial

import pytest
from sternway_guard import (
    BreakerOpen,
    BreakerSettings,
    DeadlinePassed,
    Fixed,
    Guard,
    GuardSettings,
    LimitSettings,
    Shed,
    State,
    deadline,
)

SETTINGS = GuardSettings(
    breaker=BreakerSettings(trips=Fixed(share=0.5, least=4)), limit=LimitSettings(initial=1, least=1, most=1)
)


@pytest.fixture
def guard() -> Guard:
    return Guard("disk", SETTINGS)


def test_it_trips_by_what_fails_within(guard: Guard) -> None:
    @guard
    def broken() -> None:
        raise ValueError

    for _ in range(4):
        with pytest.raises(ValueError):
            broken()
    with pytest.raises(BreakerOpen):
        broken()
    with pytest.raises(BreakerOpen), guard.call():
        pass


def test_what_finds_no_room_is_no_failure_of_the_target(guard: Guard) -> None:
    calls = guard(lambda: None)
    with guard.call():
        for _ in range(20):
            with pytest.raises(Shed):
                calls()
            with pytest.raises(Shed), guard.call():
                pass
    assert guard.breaker.state is State.CLOSED
    assert guard.breaker.counts.bad == 0
    calls()


async def test_the_wait_for_a_place_is_no_slowness_of_the_target() -> None:
    limit = LimitSettings(initial=1, least=1, most=1, waiting=20, longest_wait=20)
    slow = BreakerSettings(trips=Fixed(share=0.1, least=4), slow_after=2.0)
    guard = Guard("disk", GuardSettings(breaker=slow, limit=limit))
    await asyncio.gather(*(guard(asyncio.sleep)(0.15) for _ in range(20)))
    assert (guard.breaker.state, guard.breaker.counts.bad) == (State.CLOSED, 0)


def test_nobody_waits_for_a_place_at_a_target_that_is_not_called(guard: Guard) -> None:
    for _ in range(4):
        guard.breaker.begin().end(ValueError())
    with guard.limiter.place() if guard.limiter else nullcontext(), pytest.raises(BreakerOpen), guard.call():
        pass


@pytest.mark.parametrize("settings", [GuardSettings(), SETTINGS], ids=["without a limit", "with one"])
def test_after_the_deadline_nothing_is_begun(settings: GuardSettings) -> None:
    guard = Guard("disk", settings)
    begun: list[int] = []
    with deadline(0):
        with pytest.raises(DeadlinePassed):
            guard(lambda: begun.append(1))()
        with pytest.raises(DeadlinePassed), guard.call():
            begun.append(2)
    assert begun == []


async def test_a_coroutine_and_an_async_block_take_the_same_places(guard: Guard) -> None:
    may_end = asyncio.Event()

    @guard
    async def waits() -> str:
        await may_end.wait()
        return "answer"

    first = asyncio.create_task(waits())
    await asyncio.sleep(0)
    with pytest.raises(Shed):
        await waits()
    with pytest.raises(Shed):
        async with guard.call():
            pass
    may_end.set()
    assert await first == "answer"
    async with guard.call():
        with pytest.raises(Shed):
            await waits()


def test_an_error_in_a_block_is_the_callers_own(guard: Guard) -> None:
    with pytest.raises(ZeroDivisionError), guard.call():
        _ = 1 / 0
    assert guard.breaker.counts.bad == 1
    assert guard.limiter
    assert guard.limiter.running == 0


@pytest.mark.parametrize("settings", [GuardSettings(), SETTINGS])
def test_a_generator_is_not_guarded_by_mistake(settings: GuardSettings) -> None:
    def rows() -> Iterator[int]:
        yield 1

    async def later_rows() -> AsyncIterator[int]:
        yield 1

    for generator in (rows, later_rows):
        with pytest.raises(TypeError, match="guard what it does inside"):
            Guard("disk", settings)(generator)


def test_a_block_counts_once_however_often_it_is_entered_and_left(guard: Guard) -> None:
    call = guard.call()
    with call:
        with pytest.raises(RuntimeError, match="disk: a call begins once"):
            call.__enter__()
        assert guard.breaker.counts.running == 1
    call.__exit__(None, None, None)
    with pytest.raises(RuntimeError, match="a call begins once"), call:
        pass
    assert (guard.breaker.counts.running, guard.breaker.counts.good) == (0, 1)
    assert guard.limiter
    assert guard.limiter.running == 0


async def test_an_async_block_counts_once_as_well(guard: Guard) -> None:
    call = guard.call()
    async with call:
        with pytest.raises(RuntimeError):
            await call.__aenter__()
    await call.__aexit__(None, None, None)
    assert (guard.breaker.counts.running, guard.breaker.counts.good) == (0, 1)
    assert guard.limiter
    assert guard.limiter.running == 0


@pytest.mark.parametrize("settings", [GuardSettings(), SETTINGS], ids=["without a limit", "with one"])
async def test_a_function_that_returns_a_coroutine_is_not_taken_for_a_call_that_was_good(
    settings: GuardSettings,
) -> None:
    """As a decorator makes one that knows nothing of coroutines; there is no telling before it is called."""
    begun: list[int] = []

    async def called() -> None:
        begun.append(1)

    def plain() -> object:
        return called()

    guard = Guard("disk", settings)
    with pytest.raises(TypeError, match="guard the coroutine function itself"):
        guard(plain)()
    assert (begun, guard.breaker.counts.good, guard.breaker.counts.running) == ([], 0, 0)
    assert guard.limiter is None or guard.limiter.running == 0
    await guard(partial(called))()
    assert begun == [1]


def test_without_a_limit_there_is_only_a_breaker() -> None:
    guard = Guard("disk")
    assert guard.limiter is None
    assert guard(lambda: 7)() == 7
    assert repr(guard) == "Guard('disk', closed)"
