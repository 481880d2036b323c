"""How often a breaker trips for nothing, and how soon it trips for something, beside two that are in common use.

Calls come at 100 a second of the breakers' own time. A healthy target fails one call in 200 by chance, and in bursts,
by one of several processes; no constant of the breaker was set by the one that is held out. Two others were held out
before, and showed that the floor of harm was too low. Everything is measured with
each seed by itself, and the worst counts. An outage begins when the breaker is closed: for how long it was open after
the one before is another question.

The others see the very same calls: resilience4j's default (half of the last hundred) and five failures in a row.
"""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import pi, sin
from pathlib import Path
from random import Random
from typing import Any, Protocol

from sternway_guard import Breaker, BreakerOpen, State, Transition

from bench.result import Benchmark, Check, Outcome, Progress, at_most, median, percentile

RATE = 100.0
HEALTHY = 0.005
"""Share of the calls of a healthy target that fail by chance."""

CALLS = 1_000_000
"""Of a healthy target, for each process of bursts and seed."""
FALSE_TRIPS = 5.0
"""In as many."""

BEFORE = 15_000
"""Healthy calls before each outage, so that it is none of the trouble before; ten times as many before the first."""
NUMBER = 60
"""Of outages of a kind; a tenth as many after an hour of trouble."""
OF_COUNTING = 0.6
"""Calls until ours trips, of those that the counting breaker needs, from the share on that trips it."""
BLIND = 0.5
WITHIN = 100.0
"""Calls where that one never trips."""
GIVE_UP = 2_000

TROUBLE = 0.03
"""Share of the calls that fail for some other reason than the outage to come, for an hour before it."""


@dataclass(frozen=True)
class Outage:
    share: float
    """Of the calls, that fail."""
    troubled: int = 0
    """Calls of which :data:`TROUBLE` failed before."""

    def __str__(self) -> str:
        return f"{self.share:.0%}" + (f" after an hour of {TROUBLE:.0%}" if self.troubled else "")


OUTAGES = (Outage(0.3), Outage(0.6), Outage(1.0), Outage(0.6, troubled=360_000))

Bursts = Callable[[Random], Iterator[bool]]
"""For each call whether a burst makes it fail; without an end."""


def none(_random: Random) -> Iterator[bool]:
    while True:
        yield False


def of_eight(random: Random) -> Iterator[bool]:
    """Eight in a row, one such in 2,000 calls."""
    while True:
        yield from _run(random.random() < 1 / 2000, 8)


def of_any_length(random: Random) -> Iterator[bool]:
    """Two to ten in a row, one such in 1,000 calls."""
    while True:
        yield from _run(random.random() < 1 / 1000, random.randint(2, 10))


def of_spells(random: Random) -> Iterator[bool]:
    """Spells in which three of five calls fail, until ten have or twenty calls are over, one such in 1,500 calls."""
    while True:
        if random.random() >= 1 / 1500:
            yield False
            continue
        failed = 0
        for _ in range(20):
            fails = failed < 10 and random.random() < 0.6
            failed += fails
            yield fails


def in_busy_times(random: Random) -> Iterator[bool]:
    """Chosen before it was run, and no constant was set by it: every second call fails, ten times, one such in 800
    calls in busy times, and none in others; a busy time has some 20,000 calls, and a quiet one 60,000."""
    busy = False
    while True:
        busy = random.random() >= 1 / 20_000 if busy else random.random() < 1 / 60_000
        if busy and random.random() < 1 / 800:
            for _ in range(10):
                yield True
                yield False
        else:
            yield False


def in_rolling_restarts(random: Random) -> Iterator[bool]:
    """Chosen before it was run, and no constant was set by it: once in some 25,000 calls eight instances restart, some
    300 calls apart, and three to ten calls of each fail, in a row or every third one."""
    while True:
        if random.random() >= 1 / 25_000:
            yield False
            continue
        for _ in range(8):
            apart = random.choice((1, 3))
            for call in range(apart * random.randint(3, 10)):
                yield call % apart == 0
            for _ in range(round(random.expovariate(1 / 300))):
                yield False


def in_waves(random: Random) -> Iterator[bool]:
    """Chosen before it was run, and no constant was set by it: bursts in which every fourth call or so fails until four
    to ten have, and which come between never and once in 750 calls, in waves of 50,000 calls."""
    call = 0
    while True:
        call += 1
        if random.random() >= (1 + sin(2 * pi * call / 50_000)) / 1500:
            yield False
            continue
        for _ in range(random.randint(4, 10)):
            while random.random() >= 0.25:
                call += 1
                yield False
            call += 1
            yield True


def _run(begins: bool, length: int) -> Iterator[bool]:
    if begins:
        for _ in range(length):
            yield True
    else:
        yield False


PROCESSES: dict[str, Bursts] = {
    "no bursts": none,
    "bursts of eight": of_eight,
    "bursts of two to ten": of_any_length,
    "spells": of_spells,
    "in busy times": in_busy_times,
    "in rolling restarts": in_rolling_restarts,
    "in waves (held out)": in_waves,
}


class Judged(Protocol):
    trips: int

    @property
    def closed(self) -> bool: ...

    def call(self, fails: bool) -> None: ...


class Ours:
    """With its defaults."""

    def __init__(self) -> None:
        self.trips = 0
        self._now = 0.0
        self._breaker = Breaker("bench", listeners=(self._note,), clock=lambda: self._now)

    def call(self, fails: bool) -> None:
        self._now += 1 / RATE
        try:
            attempt = self._breaker.begin()
        except BreakerOpen:
            return
        attempt.end(_FAILED if fails else None)

    @property
    def closed(self) -> bool:
        return self._breaker.state is State.CLOSED

    def _note(self, transition: Transition) -> None:
        self.trips += transition.before is State.CLOSED


class Counting:
    """Trips where half of the last hundred calls failed; begins anew then."""

    closed = True

    def __init__(self) -> None:
        self.trips = 0
        self._begin()

    def call(self, fails: bool) -> None:
        if len(self._last) == 100:
            self._failed -= self._last.popleft()
        self._last.append(fails)
        self._failed += fails
        if len(self._last) == 100 and self._failed >= 50:
            self.trips += 1
            self._begin()

    def _begin(self) -> None:
        self._last: deque[bool] = deque()
        self._failed = 0


class InARow:
    """Trips at five failures in a row."""

    closed = True

    def __init__(self) -> None:
        self.trips = self._failed = 0

    def call(self, fails: bool) -> None:
        self._failed = self._failed + 1 if fails else 0
        if self._failed == 5:
            self.trips += 1
            self._failed = 0


BREAKERS: dict[str, Callable[[], Judged]] = {"ours": Ours, "half of a hundred": Counting, "five in a row": InARow}
_FAILED = ValueError()


def healthy(bursts: Bursts, random: Random) -> Iterator[bool]:
    return (burst or random.random() < HEALTHY for burst in bursts(random))


def false_trips(bursts: Bursts, seed: int, calls: int) -> dict[str, int]:
    """Of *calls* healthy ones, by breaker."""
    breakers = {name: make() for name, make in BREAKERS.items()}
    for _, fails in zip(range(calls), healthy(bursts, Random(seed)), strict=False):
        for breaker in breakers.values():
            breaker.call(fails)
    return {name: breaker.trips for name, breaker in breakers.items()}


def delays(make: Callable[[], Judged], bursts: Bursts, outage: Outage, seed: int, number: int) -> list[int]:
    """Calls from the beginning of each outage until the breaker trips."""
    random, breaker = Random(seed), make()
    calm = healthy(bursts, random)
    for _ in range(9 * BEFORE):
        breaker.call(next(calm))
    found: list[int] = []
    for _ in range(number):
        for _ in range(BEFORE):
            breaker.call(next(calm))
        for _ in range(outage.troubled):
            breaker.call(next(calm) or random.random() < TROUBLE)
        while not breaker.closed:
            breaker.call(next(calm))
        before, calls = breaker.trips, 0
        while breaker.trips == before and calls < GIVE_UP:
            breaker.call(random.random() < outage.share)
            calls += 1
        found.append(calls)
    return found


async def measure(arguments: argparse.Namespace, _folder: Path, progress: Progress) -> Outcome:
    results: dict[str, Any] = {"false trips in a million": {}, "calls until it trips": {}}
    checks: list[Check] = []
    for process, bursts in PROCESSES.items():
        worst = dict.fromkeys(BREAKERS, 0.0)
        for seed in arguments.seeds:
            progress(f"{process}, seed {seed}: {arguments.calls} healthy calls", now=True)
            for name, trips in false_trips(bursts, seed, arguments.calls).items():
                worst[name] = max(worst[name], trips * 1e6 / arguments.calls)
        results["false trips in a million"][process] = worst
        checks.append(at_most(f"{process}: false trips in a million", worst["ours"], FALSE_TRIPS))
        shown: dict[str, Any] = {}
        for outage in OUTAGES:
            progress(f"{process}: outages of {outage}", now=True)
            rows = {name: _worst(make, bursts, outage, arguments) for name, make in BREAKERS.items()}
            shown[str(outage)] = rows
            ours, counting = rows["ours"]["p50"], rows["half of a hundred"]["p50"]
            if outage.share < BLIND:
                checks.append(at_most(f"{process}: calls at {outage}", ours, WITHIN))
            else:
                checks.append(at_most(f"{process}: calls at {outage}, of counting", ours / counting, OF_COUNTING))
        results["calls until it trips"][process] = shown
    return Outcome(results, tuple(checks))


def _worst(
    make: Callable[[], Judged], bursts: Bursts, outage: Outage, arguments: argparse.Namespace
) -> dict[str, float]:
    """The slowest seed's."""
    number = -(-arguments.outages // 10) if outage.troubled else arguments.outages
    found = [delays(make, bursts, outage, seed, number) for seed in arguments.seeds]
    slowest = max(found, key=median)
    return {"p50": median(slowest), "p90": percentile(slowest, 0.9)}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="each is measured by itself")
    parser.add_argument("--calls", type=int, default=CALLS, help="healthy calls for each process and seed")
    parser.add_argument("--outages", type=int, default=NUMBER, help="for each process, seed and kind of outage")


if __name__ == "__main__":
    Benchmark("detection", __doc__ or "", measure, options).main()
