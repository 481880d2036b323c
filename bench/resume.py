"""Going on after kill -9: from the kill to the next thing that is done, beside the floor of a bare worker.

The kill's instant is this program's clock just before the signal; what follows is taken from Temporal's history, whose
times are the server's, by the same clock of the same machine. One of the pool's two processes is killed, the one that
has the work in hand, and the other one goes on; a bare worker of two processes at the same settings is killed in the
same way, in turns. ``bench/resume_cases.py`` says what is killed when.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.analytics.store import migrate, open_store
from bench.bare_pool import BarePool
from bench.result import Benchmark, Check, Outcome, Progress, at_least, at_most, median, percentile
from bench.resume_cases import Case, GatewayInProtection, PoolBetweenSteps, PoolInsideChange
from workers.local.world import SmallWorld

LEAST_SAMPLES = 20
EXTRA_SAMPLES = 5
"""Of what is told besides, without a limit."""

CATALOG = """
version: 1
regions:
  eu:
    mesh: {envoy: {kind: envoy, url: "${MESH}", proxies: [envoy-eu]}}
    platform: {local: {kind: local, url: "${AGENT}"}}
    telemetry: {envoy: {kind: envoy, url: "${ENVOY}"}}
defaults: {mesh: envoy, platform: local, telemetry: envoy}
policies:
  first: {level: protect, protect: {action: fallback, share: 100}, lease: 60}
services:
  payments:
    tier: 1
    regions: [eu]
    port: ${PAYMENTS}
    depends_on: [ledger]
    fallback: ledger
    slos: {availability: {objective: 99.9}}
    policy: first
  ledger: {tier: 2, regions: [eu], port: "${LEDGER}", slos: {availability: {objective: 99.9}}}
"""


async def measure(arguments: argparse.Namespace, folder: Path, progress: Progress) -> Outcome:
    world = SmallWorld(folder / "world", CATALOG, ("payments", "ledger"))
    try:
        progress("starting a small world with a pool of two processes, and a bare pool of two", now=True)
        await world.start_temporal()
        await world.start()
        store = open_store(world.store)
        migrate(store)
        store.close()
        await world.start_pool(2)
        await world.deploy(("ledger", "v1"), ("payments", "v1"), ("payments", "v2"))
        await world.serve("ledger", "v1")
        await world.serve("payments", "v2")
        await world.set_replicas("payments", {"replicas/v1": 1})
        client = await Client.connect(world.temporal, data_converter=pydantic_data_converter)
        bare = BarePool(world, client, folder)
        await bare.start()
        cases: list[Case] = [
            PoolBetweenSteps(world, client, bare),
            PoolInsideChange(world, client, bare),
            GatewayInProtection(world, client, bare),
        ]
        for case in cases:
            if arguments.only in (None, case.name):
                await _measure_case(case, arguments.samples, progress)
    finally:
        world.stop()
    return _outcome([case for case in cases if case.seconds])


async def _measure_case(case: Case, samples: int, progress: Progress) -> None:
    await case.prepare()
    for number in range(samples):
        case.seconds.append(await case.sample())
        case.floors.append(await case.floor())
        progress(f"{case.name} {number + 1}/{samples}: {case.seconds[-1]:.2f} s, bare {case.floors[-1]:.2f} s")
    for what, extra in case.extras.items():
        case.extra_seconds[what] = [await extra() for _ in range(EXTRA_SAMPLES)]
        progress(f"{case.name}, {what}: {median(case.extra_seconds[what]):.2f} s at the median", now=True)


def _outcome(cases: list[Case]) -> Outcome:
    results = {
        case.name: {
            "from_the_kill_to": case.until,
            "samples": len(case.seconds),
            "seconds": _spread(case.seconds),
            "floor_seconds": _spread(case.floors),
            "times_floor": round(median(case.seconds) / median(case.floors), 2),
            "besides": {what: _spread(seconds) for what, seconds in case.extra_seconds.items()},
        }
        for case in cases
    }
    checks: list[Check] = []
    for case in cases:
        checks.append(at_most(f"{case.name}: median in s", round(median(case.seconds), 3), case.limit))
        checks.append(at_least(f"{case.name}: samples", len(case.seconds), LEAST_SAMPLES))
    return Outcome(results, tuple(checks))


def _spread(seconds: list[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p90": 0.9, "max": 1.0}
    return {name: round(percentile(seconds, share), 3) for name, share in shares.items()}


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--samples", type=int, default=LEAST_SAMPLES, help="kills of each kind (default: 20)")
    parser.add_argument("--only", choices=["between", "inside", "gateway"], help="one kind of kill only")


if __name__ == "__main__":
    Benchmark("resume", "From a kill -9 to the next step.", measure, _options).main()
