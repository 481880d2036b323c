"""How many retries there may be, and by when calls must have ended."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from set_clock import Clock
from sternway_guard import DeadlinePassed, RetryBudget, deadline, deadlines, retries


def test_retries_are_a_share_of_the_calls() -> None:
    clock = Clock()
    budget = RetryBudget(0.1, least=0, clock=clock)
    retries = 0
    for _ in range(10_000):
        clock.now += 0.01
        budget.called()
        retries += budget.spend()
    assert retries == pytest.approx(1000, rel=0.02)


def test_whoever_makes_few_calls_may_still_retry_one() -> None:
    clock = Clock()
    budget = RetryBudget(0.1, least=1, clock=clock)
    budget.called()
    assert [budget.spend(), budget.spend()] == [True, False]
    clock.now += 1
    assert budget.spend()


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans(), st.integers(0, 5)), max_size=60))
def test_no_burst_of_retries_is_larger_than_what_calls_have_lent(history: list[tuple[float, bool, int]]) -> None:
    clock = Clock()
    budget = RetryBudget(0.2, least=1, clock=clock)
    calls = retries = 0
    for passed, called, wanted in history:
        clock.now += passed
        if called:
            budget.called()
            calls += 1
        retries += sum(budget.spend() for _ in range(wanted))
        assert retries <= 0.2 * calls + 1 * (clock.now - 1000) + 1


def test_pauses_grow_and_end_with_the_attempts() -> None:
    budget = RetryBudget(1.0, least=1e6, chance=lambda: 1.0)
    assert [budget.pause(made, 5) for made in (1, 2, 3, 4, 5)] == pytest.approx([0.1, 0.2, 0.4, 0.8, None])
    assert budget.pause(5000, 6000) == retries.LONGEST_PAUSE


@given(st.floats(0, 1), st.integers(1, 20))
def test_a_pause_is_anything_up_to_its_longest(chance: float, made: int) -> None:
    pause = RetryBudget(1.0, least=1e6, chance=lambda: chance).pause(made, 100)
    assert pause == pytest.approx(chance * min(0.1 * 2 ** (made - 1), retries.LONGEST_PAUSE))


def test_who_could_not_be_answered_in_time_does_not_try_again_and_spends_nothing() -> None:
    budget = RetryBudget(least=0, clock=Clock(), chance=lambda: 1.0)
    for _ in range(11):
        budget.called()
    with deadline(0.05):
        assert budget.pause(1) is None
    with deadline(5):
        assert [budget.pause(1), budget.pause(1)] == [pytest.approx(0.1), None], "there was a budget for one"


def test_who_has_the_earlier_deadline_keeps_it() -> None:
    assert deadlines.left() is None
    with deadline(10), deadline(60):
        assert 9 < (deadlines.left() or 0) <= 10
    with deadline(60), deadline(10):
        assert 9 < (deadlines.left() or 0) <= 10
    assert deadlines.left() is None


def test_what_is_over_is_not_begun() -> None:
    with deadline(0), pytest.raises(DeadlinePassed, match="payments: the deadline has passed"):
        deadlines.require("payments")
    deadlines.require("payments")


async def test_each_task_has_its_own_deadline() -> None:
    async def within(seconds: float) -> float:
        with deadline(seconds):
            await asyncio.sleep(0)
            return deadlines.left() or 0

    short, long = await asyncio.gather(within(1), within(100))
    assert short <= 1 < 99 < long


@given(st.floats(0, 10_000))
def test_a_header_carries_what_is_left_to_the_millisecond(seconds: float) -> None:
    carried = deadlines.from_header(deadlines.to_header(seconds))
    assert carried is not None
    assert seconds - 0.001 <= carried <= seconds


@pytest.mark.parametrize("text", ["", "-1", "1.5", "soon", "1e3", "٣", "9" * 30])
def test_what_is_no_number_is_no_deadline(text: str) -> None:
    assert deadlines.from_header(text) is None
