"""Nanoseconds that each breaker adds to a call, in a process of its own that has the peers in its path.

Rounds are interleaved, so that what else the machine does meets all of them: in each round every breaker runs its
calls, and the bare function beside them. Printed as JSON: by way, outcome and breaker, what each round took.
"""

from __future__ import annotations

import json
import sys
import timeit
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bench import guard_peers as peers
from bench.guard_peers import NEVER, Function

ROUNDS = 21
CALLS = 10_000
LEAST = 5
"""Failures after which an open breaker is open, or so many more as it needs."""
BREAKERS = 1000


class Failed(Exception):
    """What the target raises."""


def good() -> None:
    """A call that takes no time: all that is measured is what guards it."""


def bad() -> None:
    raise Failed


async def good_async() -> None:
    """The same for tasks. It never waits, so no loop is measured."""


async def bad_async() -> None:
    raise Failed


def swallowing(function: Function) -> Function:
    def call() -> None:
        with suppress(Exception):
            function()

    return call


def as_it_is(function: Function) -> Function:
    return function


def driven(function: Callable[[], Any]) -> Function:
    """A coroutine that never waits, run to its end."""

    def call() -> None:
        try:
            function().send(None)
        except StopIteration:
            pass
        except Exception:  # noqa: BLE001, S110 -- of whatever breaker it is
            pass

    return call


def calls(way: str, outcome: str) -> dict[str, Function]:
    """By breaker, one call with that outcome; ``bare`` without any."""
    makers = peers.SYNC if way == "sync" else peers.ASYNC
    target: Any = {
        ("sync", "ok"): good,
        ("sync", "fail"): bad,
        ("sync", "open"): bad,
        ("async", "ok"): good_async,
        ("async", "fail"): bad_async,
        ("async", "open"): bad_async,
    }[way, outcome]
    around = driven if way == "async" else swallowing if outcome != "ok" else as_it_is
    limit = NEVER if outcome == "fail" else LEAST
    made = {"bare": around(target)} | {name: around(make(limit)(target)) for name, make in makers.items()}
    if outcome == "open":
        for call in made.values():
            for _ in range(100):
                call()
    return made


def measured(way: str, outcome: str) -> dict[str, list[float]]:
    made = calls(way, outcome)
    took: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(ROUNDS):
        for name, call in made.items():
            took[name].append(timeit.timeit(call, number=CALLS) / CALLS * 1e9)
    return took


def memory() -> dict[str, float]:
    """Bytes of one of ours, when it is made and after minutes of calls that take longer than they should."""
    from sternway_guard import Breaker, BreakerSettings

    now = [0.0]
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    made = [Breaker(number, BreakerSettings(slow_after=60), clock=lambda: now[0]) for number in range(BREAKERS)]
    new, _ = tracemalloc.get_traced_memory()
    hanging = [breaker.begin() for breaker in made]
    for _ in range(30):
        now[0] += 1
        for breaker in made:
            breaker.begin().end()
    used, _ = tracemalloc.get_traced_memory()
    for one in hanging:
        one.end()
    return {"new": (new - before) / BREAKERS, "in use": (used - before) / BREAKERS}


def main() -> None:
    took = {way: {outcome: measured(way, outcome) for outcome in ("ok", "fail", "open")} for way in ("sync", "async")}
    print(json.dumps({"took": took, "bytes": memory()}), file=sys.stdout)


if __name__ == "__main__":
    main()
