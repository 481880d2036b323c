"""Breakers that are half-open at the same time share what probes may run at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from set_clock import Clock
from sternway_guard import (
    Breaker,
    BreakerOpen,
    BreakerSettings,
    Fixed,
    GuardSettings,
    Mode,
    ProbeBudget,
    Registry,
    State,
)
from sternway_guard.breaker import Attempt

SETTINGS = BreakerSettings(trips=Fixed(share=0.5, least=1), open_for=4, stage=8)

Tripped = Callable[[int, int], list[Breaker]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tripped(clock: Clock) -> Tripped:
    """So many breakers that share a budget, and are due to be probed."""

    def trip(number: int, budget: int) -> list[Breaker]:
        probes = ProbeBudget(budget)
        breakers = [Breaker(target, SETTINGS, probes=probes, clock=clock) for target in range(number)]
        for breaker in breakers:
            breaker.begin().end(ValueError())
        clock.now += 4
        return breakers

    return trip


def refuses(breaker: Breaker) -> None:
    with pytest.raises(BreakerOpen, match="as many probes of all breakers run as may"):
        breaker.begin()


def test_no_more_run_at_once_than_may_and_each_that_ends_makes_room(tripped: Tripped) -> None:
    breakers = tripped(50, 3)
    running = [breaker.begin() for breaker in breakers[:3]]
    for breaker in breakers[3:]:
        refuses(breaker)
    for one in running:
        one.end()
        breakers.pop().begin()
    refuses(breakers.pop())


def test_probes_that_never_end_keep_the_others_no_longer_than_a_stage(tripped: Tripped, clock: Clock) -> None:
    hung, waits = tripped(2, 1)
    hung.begin()
    refuses(waits)
    clock.now += 8
    waits.begin().end()
    assert (hung.state, waits.state) == (State.HALF_OPEN, State.HALF_OPEN)


def test_every_breaker_comes_back_however_many_there_are(tripped: Tripped, clock: Clock) -> None:
    breakers = tripped(30, 1)
    for _ in range(200):
        clock.now += 0.5
        for breaker in breakers:
            try:
                breaker.begin().end()
            except BreakerOpen:
                continue
    assert {breaker.state for breaker in breakers} == {State.CLOSED}


def test_where_all_calls_go_through_they_are_no_probes(tripped: Tripped, clock: Clock) -> None:
    breaker, other = tripped(2, 1)
    running: list[Attempt] = []
    while len(running) < 5:
        for one in running:
            one.end()
        clock.now += 0.1
        running = list(begun(breaker, 5))
        assert breaker.state is State.HALF_OPEN, "all go through before it is closed"
    other.begin().end()


def begun(breaker: Breaker, most: int) -> Iterator[Attempt]:
    """As many calls as it lets through."""
    with suppress(BreakerOpen):
        for _ in range(most):
            yield breaker.begin()


def test_what_is_in_shadow_takes_nothing_from_the_others(tripped: Tripped) -> None:
    shadow, other = tripped(2, 1)
    shadow.mode = Mode.SHADOW
    running = shadow.begin()
    other.begin().end()
    running.end()


def test_the_guards_of_a_registry_share_one() -> None:
    at_once = BreakerSettings(trips=Fixed(share=0.5, least=1), open_for=1e-9)
    registry = Registry(GuardSettings(breaker=at_once), probes=1)
    one, other = registry.guard("payments").breaker, registry.guard("search").breaker
    for breaker in (one, other):
        breaker.begin().end(ValueError())
    running = one.begin()
    refuses(other)
    running.end()
    other.begin().end()
