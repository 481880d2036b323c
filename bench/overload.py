"""What is still served under two, five and ten times what a service can do, and how soon all is well afterwards.

A real service behind uvicorn, and callers that come whether they are answered or not, in three classes of value: one
request in ten is critical, three are normal, six are worth little. Failed requests are tried again, three times in all.
Three ways: no protection; a breaker with a fixed threshold at the callers; and our guard, a limiter before the
service, which has to find out what the service can do, and a retry budget at the callers.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sternway_guard import Breaker, BreakerSettings, Fixed, RetryBudget

from bench.overload_callers import Callers, Manners, capacity
from bench.overload_callers import Outcome as Ended
from bench.overload_service import AT_ONCE
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

WAYS: dict[str, tuple[str, Callable[[], Manners]]] = {
    "no protection": ("bare", Manners),
    "fixed breaker": ("bare", lambda: Manners(breaker=Breaker("bench", BreakerSettings(trips=Fixed())))),
    "guard": ("guarded", lambda: Manners(budget=RetryBudget())),
}


async def measure(arguments: argparse.Namespace, _folder: Path, progress: Progress) -> Outcome:
    async with service("bare") as url:
        floor = await capacity(url, AT_ONCE, 5.0)
    progress(f"the service can do {floor:.0f} requests a second", now=True)
    results: dict[str, Any] = {"capacity": round(floor, 1)}
    checks: list[Check] = []
    for times, critical in TIMES.items():
        results[f"{times} times"] = {}
        for way, (kind, manners) in WAYS.items():
            progress(f"{times} times its capacity, {way}", now=True)
            async with service(kind) as url:
                callers = Callers(url, manners(), arguments.seed)
                await callers.run([(CALM, USUAL * floor), (OVERLOAD, times * floor), (AFTER, USUAL * floor)])
            results[f"{times} times"][way] = found = _figures(callers, floor)
            progress(f"{found}", now=True)
            if way == "guard":
                checks += [
                    at_least(f"{times} times: goodput, of the capacity", found["goodput"], GOODPUT),
                    at_least(f"{times} times: critical requests that succeed", found["/critical"], critical),
                    at_least(f"{times} times: success afterwards", found["afterwards"], RECOVERED),
                ]
    return Outcome(results, tuple(checks))


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
async def service(kind: str) -> AsyncGenerator[str]:
    """In a process of its own; its URL."""
    (port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.overload_service", str(port), kind)
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
    parser.add_argument("--seed", type=int, default=1, help="of when requests come and of what class they are")


if __name__ == "__main__":
    Benchmark("overload", __doc__ or "", measure, options).main()
