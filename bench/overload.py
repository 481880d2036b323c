"""What is still served under two, five and ten times what a service can do, and how soon all is well afterwards.

A real service behind uvicorn, and callers that come whether they are answered or not, in three classes of value: one
request in ten is critical, three are normal, six are worth little. Each has a second, in which it is tried up to three
times. Three ways: no protection; a breaker with a fixed threshold at the callers; and our guard, a limiter before the
service, which is told the deadlines and has to find out what the service can do, and a retry budget at the callers. The
guard also stands before a service whose requests take very different times, exponentially distributed.

All of it takes eight and a half minutes, and needs a machine that has little else to do: a service that does not get
the processor can do less than was measured before. ``--times 2 --ways guard`` is a quick look.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sternway_guard import Breaker, BreakerSettings, Fixed, RetryBudget

from bench.overload_callers import Callers, Manners, capacity
from bench.overload_callers import Outcome as Ended
from bench.overload_service import AT_ONCE, TAKES
from bench.result import Benchmark, Check, Outcome, Progress, at_least
from deploy.demo.fleet.client import Broken, Pool
from workers.local.ports import free_ports

CALM, OVERLOAD, AFTER = 8.0, 20.0, 12.0
"""Seconds."""
USUAL = 0.5
"""Of the capacity, that is asked for before and after."""
SETTLES = 5.0
"""Seconds of the overload, and after it, that are given to find the balance."""

TIMES = {2: 0.99, 5: 0.95, 10: 0.80}
"""Of the capacity, with the share of the critical requests that must succeed."""
GOODPUT, RECOVERED = 0.95, 0.95


@dataclass(frozen=True)
class Way:
    kind: str
    """Of service: bare or guarded."""
    takes: str
    """How its times are distributed."""
    manners: Callable[[], Manners]


WAYS = {
    "no protection": Way("bare", "even", Manners),
    "fixed breaker": Way("bare", "even", lambda: Manners(breaker=Breaker("bench", BreakerSettings(trips=Fixed())))),
    "guard": Way("guarded", "even", lambda: Manners(budget=RetryBudget())),
    "guard, exponential": Way("guarded", "exponential", lambda: Manners(budget=RetryBudget())),
}


async def measure(arguments: argparse.Namespace, _folder: Path, progress: Progress) -> Outcome:
    floors: dict[str, float] = {}
    for takes in TAKES:
        async with service("bare", takes) as url:
            floors[takes] = await capacity(url, AT_ONCE, 5.0)
        progress(f"a service with {takes} times can do {floors[takes]:.0f} requests a second", now=True)
    results: dict[str, Any] = {"capacity": {takes: round(floor, 1) for takes, floor in floors.items()}}
    checks: list[Check] = []
    for times in arguments.times:
        results[f"{times} times"] = {}
        for name in arguments.ways:
            progress(f"{times} times its capacity, {name}", now=True)
            way = WAYS[name]
            found = await _under_load(way, times, floors[way.takes], arguments.seed)
            progress(f"{found}", now=True)
            results[f"{times} times"][name] = found
            if way.kind == "guarded":
                checks += _checks(f"{times} times, {name}", found, TIMES[times])
    return Outcome(results, tuple(checks))


async def _under_load(way: Way, times: int, floor: float, seed: int) -> dict[str, float]:
    async with service(way.kind, way.takes) as url:
        callers = Callers(url, way.manners(), seed)
        await callers.run([(CALM, USUAL * floor), (OVERLOAD, times * floor), (AFTER, USUAL * floor)])
    return _figures(callers, floor)


def _checks(case: str, found: dict[str, float], critical: float) -> list[Check]:
    return [
        at_least(f"{case}: goodput, of the capacity", found["goodput"], GOODPUT),
        at_least(f"{case}: critical requests that succeed", found["/critical"], critical),
        at_least(f"{case}: success afterwards", found["afterwards"], RECOVERED),
    ]


def _figures(callers: Callers, floor: float) -> dict[str, float]:
    begins, ends = CALM + SETTLES, CALM + OVERLOAD
    during = [one for one in callers.outcomes if begins <= one.at < ends]
    answered = sum(one.ok and begins <= one.ended < ends for one in callers.outcomes)
    afterwards = [one for one in callers.outcomes if one.at >= ends + SETTLES]
    classes = sorted({one.path for one in during})
    return {
        "goodput": answered / (ends - begins) / floor,
        **{path: _share([one for one in during if one.path == path]) for path in classes},
        "afterwards": _share(afterwards),
        "attempts a request": callers.attempts / len(callers.outcomes),
    }


def _share(outcomes: list[Ended]) -> float:
    return sum(one.ok for one in outcomes) / len(outcomes)


@asynccontextmanager
async def service(kind: str, takes: str) -> AsyncGenerator[str]:
    """In a process of its own; its URL."""
    (port,) = free_ports(1)
    arguments = ("-m", "bench.overload_service", str(port), kind, takes)
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    url = f"http://127.0.0.1:{port}"
    try:
        await _ready(url)
        yield url
    finally:
        process.kill()
        await process.wait()


async def _ready(url: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                if (await Pool(url).request("GET", "/ready", 1))[0] == 200:
                    return
            except (Broken, TimeoutError):
                await asyncio.sleep(0.1)


def options(parser: argparse.ArgumentParser) -> None:
    every = list(TIMES)
    parser.add_argument(
        "--times", nargs="+", type=int, choices=every, default=every, help="the capacity (default: all)"
    )
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS), help="(default: all)")
    parser.add_argument("--seed", type=int, default=1, help="of when requests come and of what class they are")


if __name__ == "__main__":
    Benchmark("overload", __doc__ or "", measure, options).main()
