"""How many calls may run at once, found out from nothing but what calls take: against a target of known size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

import pytest
from set_clock import Clock
from sternway_guard import Limiter, LimitSettings
from sternway_guard.limit import Limit

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
    assert run.takes < 3


@pytest.mark.parametrize("takes", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("at_once", [8, 40])
def test_without_overload_next_to_nothing_is_shed_however_long_calls_take(
    at_once: int, takes: Callable[[Random], float]
) -> None:
    run = simulated(at_once, 0.6, takes)
    assert run.shed < 0.01
    assert run.takes < 1.2


@pytest.mark.parametrize("takes", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("at_once", [8, 40])
def test_a_target_that_becomes_slower_is_used_as_much_as_it_can_be(
    at_once: int, takes: Callable[[Random], float]
) -> None:
    assert simulated(at_once, 2, takes, slower=3).goodput > 0.95


def test_a_limit_that_is_not_reached_is_not_raised() -> None:
    limit, now = Limit(LimitSettings()), 0.0
    for _ in range(1000):
        now += 0.05
        limit.took(0.05, 3, now)
    assert limit.value == LimitSettings().initial


@pytest.mark.parametrize("takes", TIMES.values(), ids=TIMES)
def test_what_is_enough_is_so_for_nearly_every_call_and_not_much_more(takes: Callable[[Random], float]) -> None:
    random, limit = Random(1), Limit(LimitSettings())
    calls = [takes(random) for _ in range(5000)]
    for number, seconds in enumerate(calls):
        limit.took(seconds, 1, number * 0.05)
    assert sum(seconds <= limit.enough for seconds in calls) > 0.93 * len(calls)
    assert limit.enough < 5 * 0.05


def test_what_is_enough_is_not_known_before_there_are_calls_and_follows_a_target_that_becomes_slower() -> None:
    limit, now = Limit(LimitSettings()), 0.0
    assert limit.enough == 0
    for seconds in (0.05, 0.2):
        for _ in range(400):
            now += seconds
            limit.took(seconds, 1, now)
        assert limit.enough == pytest.approx(seconds, rel=0.01)


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
