"""Storms: ten thousand alerts in a message, a thousand messages of one alert, and critical alerts in their middle.

The small world is real: Envoy and its control plane, platform agent, Temporal, the gateway and a pool, each a process.
A storm's services have the level *protect* and a policy that approves no action: each gets an incident that assesses,
plans and waits for a person, so that it is still open when a repeat arrives. At level *full* the machine would measure
rollbacks and not admission. There is one service for each hundred alerts at every size, so that the cost of an incident
is in every figure in the same proportion.

Critical alerts are about a service of their own, one incident after the other, from just before the POST until Envoy
has acknowledged the protection (``bench/way.py``). Those count that set out while the storm had not been handed over.
Others are about services that the storm is about as well, once its warnings are durable: some of their incidents have
begun with a warning by then, others wait. Their policy approves a protection; where a warning has protected the service
already, that counts as at once.

What a storm costs is counted until all of it is done: every alert durable, every incident begun, assessed, planned and
waiting for a person. That is wall time, and processor time of everything together. When the last alert was handed over
is told beside it and differs in kind with the size: the first incidents of a large storm work while its last ones
begin, and those of a small one have all begun before any has worked. The wall time of the smallest is the latency of
its one incident; processor time is what tells of growth from there.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path

import httpx
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.result import Benchmark, Outcome, Progress, at_least, at_most, below, median, percentile, spread
from bench.storm_messages import ALERTS_A_SERVICE, SERVICES, SIZES, catalog
from bench.storm_weather import Storm, Weather
from bench.way import Way, deploy
from workers.local.world import SmallWorld

LONGEST_ANSWER = 2.0
LONGEST_ENFORCEMENT_MS = 1_000.0
MOST_GROWTH = 1.2
LEAST_CRITICAL = 100

COSTS = {"durable": "until it is durable", "settled": "until all is done", "worked": "processor time"}


async def measure(arguments: argparse.Namespace, folder: Path, progress: Progress) -> Outcome:
    world = SmallWorld(folder / "world", catalog(), ("payments", "ledger", *SERVICES))
    try:
        progress("starting a small world: agent, mesh, Envoy, Temporal, the gateway, a pool", now=True)
        await world.start_temporal()
        await world.start()
        await deploy(world)
        await world.register(SERVICES)
        await world.start_gateway()
        await world.start_pool()
        client = await Client.connect(world.temporal, data_converter=pydantic_data_converter)
        async with httpx.AsyncClient(trust_env=False) as http:
            way = Way(world, client, http)
            weather = Weather(world, client, way)
            calm, storms = await _storms(weather, arguments, progress)
            weather.close()
            way.close()
    finally:
        world.stop()
    return _outcome(calm, storms)


async def _storms(
    weather: Weather, arguments: argparse.Namespace, progress: Progress
) -> tuple[list[Storm], list[Storm]]:
    """Those that are measured for their cost, alone; and those with critical alerts in them."""
    calm: list[Storm] = []
    storms: list[Storm] = []

    def tell(storm: Storm) -> Storm:
        progress(json.dumps(storm.as_json()), now=True)
        return storm

    tell(await weather.one_message("warmup", SIZES[0], critical=False))
    for turn in range(arguments.turns):
        calm += [tell(await weather.one_message(f"calm{turn}x{size}", size, critical=False)) for size in SIZES]
    turn = 0
    while sum(len(storm.critical) for storm in storms) < arguments.critical or turn == 0:
        storms.append(tell(await weather.one_message(f"large{turn}", SIZES[-1], critical=True)))
        storms.append(tell(await weather.many_messages(f"many{turn}")))
        turn += 1
    return calm, storms


def _outcome(calm: list[Storm], storms: list[Storm]) -> Outcome:
    every = calm + storms
    enforced = [sample.enforced for storm in storms for sample in storm.critical]
    struck = [milliseconds for storm in storms for milliseconds in storm.struck]

    def cost(size: int, seconds: str) -> float:
        """Milliseconds an alert, at the median."""
        return median([getattr(storm, seconds) / size * 1000 for storm in calm if storm.alerts == size])

    costs = {kind: {size: round(cost(size, kind), 4) for size in SIZES} for kind in (*COSTS, "handed_over")}
    growth = [
        at_most(
            f"growth of the cost an alert, {what}, from {small:,} to {large:,}",
            cost(large, kind) / cost(small, kind),
            MOST_GROWTH,
        )
        for kind, what in COSTS.items()
        for small, large in pairwise(SIZES)
    ]
    results = {
        "services_level": "protect: a storm's incidents assess, plan and wait for a person",
        "alerts_a_service": ALERTS_A_SERVICE,
        "cost_an_alert_ms": costs,
        "critical_enforced_ms": spread(enforced),
        "critical_longest_ms": round(max(enforced), 1),
        "storms": [storm.as_json() for storm in every],
    }
    checks = (
        below("longest answer to any message, in s", max(storm.durable for storm in every), LONGEST_ANSWER),
        at_most("messages refused", sum(storm.refused.total() for storm in every), 0),
        at_most("alerts lost", sum(storm.lost for storm in every), 0),
        at_most("alerts or incidents doubled", sum(storm.doubled for storm in every), 0),
        at_most(
            "99th percentile from a critical webhook to enforcement, in ms",
            percentile(enforced, 0.99),
            LONGEST_ENFORCEMENT_MS,
        ),
        at_least("critical alerts in the middle of a storm", len(enforced), LEAST_CRITICAL),
        below(
            "longest from a critical webhook about a storm's own service, in ms", max(struck), LONGEST_ENFORCEMENT_MS
        ),
        *growth,
    )
    return Outcome(results, checks)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--turns", type=int, default=3, help="storms of each size for the cost an alert (default: 3)")
    parser.add_argument("--critical", type=int, default=LEAST_CRITICAL, help="critical alerts, at least (default: 100)")


if __name__ == "__main__":
    Benchmark("storm", "Storms of alerts, and what is critical in their middle.", measure, _options).main()
