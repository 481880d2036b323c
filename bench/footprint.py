"""What Sternway needs of memory: idle, after a few incidents, and with many of them waiting for an approval.

Every incident is a real one: an alert about a service of a generated catalog, which begins in the gateway, is protected
by a lease at the mesh, assessed and planned by the pool, and then waits for a person. Memory is what the kernel says of
each process: resident (RSS, what the limits are held against) and its fair share of what it has in common with others
(PSS). What incidents add is bounded by the workflow caches: an incident that is in none of them is replayed from its
history when something happens to it, which is measured as well.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from typing import Any

import psutil
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench import renewals
from bench.footprint_world import RENEWING, Waiting, name, small_world
from bench.memory import Footprint, footprints, gained, learned_models, named
from bench.result import Benchmark, Outcome, Progress, at_least, at_most, median, percentile
from workers.local.world import SmallWorld
from workers.worker import CACHED_WORKFLOWS

INCIDENTS = 1000
FEW = 5
PROCESS_LIMIT, MESH_LIMIT = 200.0, 120.0
"""MB."""
EACH = 0.4
"""MB that a workflow in a cache may take, its part of what the process then keeps for itself included."""
SETTLE = 3.0
"""Seconds without work before memory is read."""
ASKED = 20
"""Incidents that are approved at the end; those are taken that began first, which no cache has any more."""


async def measure(arguments: argparse.Namespace, folder: Path, progress: Progress) -> Outcome:
    world = small_world(folder, arguments.incidents)
    try:
        progress(f"starting a small world with {arguments.incidents} services", now=True)
        await world.start_temporal()
        await world.start()
        await world.start_gateway()
        await world.start_pool(2)
        client = await Client.connect(world.temporal, data_converter=pydantic_data_converter)
        waiting = Waiting(world, client)
        steps = {"idle": await _settled(world)}
        progress(f"idle: {steps['idle']}", now=True)
        await world.register((*RENEWING, *map(name, range(arguments.incidents))))
        renewing = await _renewals(world, waiting, progress)
        cached = min(CACHED_WORKFLOWS, arguments.incidents)
        for count in sorted({FEW, cached, arguments.incidents}):
            began = time.monotonic()
            await waiting.open(count, progress)
            steps[f"{count} waiting"] = await _settled(world)
            progress(f"{count} wait after {time.monotonic() - began:.0f} s: {steps[f'{count} waiting']}", now=True)
        approvals = [await waiting.approve(number) for number in range(min(ASKED, arguments.incidents))]
        models = learned_models(world.processes)
        await waiting.close()
    finally:
        world.stop()
    return _outcome(steps, approvals, models, renewing, arguments.incidents, cached)


async def _renewals(world: SmallWorld, waiting: Waiting, progress: Progress) -> dict[str, Any]:
    def processes() -> dict[str, psutil.Process]:
        return {**named(world.processes), "temporal": psutil.Process(world.processes.pid("temporal"))}

    without = await renewals.idle(processes)
    incidents = await waiting.renewing(progress)
    found = await renewals.cost(incidents, processes, without)
    for incident in incidents:
        await incident.terminate("it is measured")
    progress(f"renewals: {found}", now=True)
    return found


async def _settled(world: SmallWorld) -> dict[str, Footprint]:
    await asyncio.sleep(SETTLE)
    return footprints(world.processes)


def _outcome(
    steps: dict[str, dict[str, Footprint]],
    approvals: list[float],
    models: list[str],
    renewing: dict[str, Any],
    incidents: int,
    cached: int,
) -> Outcome:
    idle, full, everything = steps["idle"], steps[f"{cached} waiting"], steps[f"{incidents} waiting"]
    at_the_cache, at_the_end = gained(idle, full), gained(idle, everything)
    results: dict[str, Any] = {
        "megabytes": {step: {name: found.shown for name, found in at.items()} for step, at in steps.items()},
        "cached_workflows_of_each_worker": CACHED_WORKFLOWS,
        "gained_megabytes": {f"{cached} waiting": at_the_cache, f"{incidents} waiting": at_the_end},
        "approval_of_an_evicted_incident_ms": {
            "p50": round(median(approvals), 1),
            "max": round(percentile(approvals, 1), 1),
        },
        "learned_models_loaded": models,
        "renewals": renewing,
    }
    workers = [name for name in idle if name != "mesh"]
    checks = [at_most(f"{name}, idle: resident MB", idle[name].rss, PROCESS_LIMIT) for name in workers]
    bound = CACHED_WORKFLOWS * EACH
    checks += [at_most(f"{name}: MB gained by {incidents} that wait", at_the_end[name], bound) for name in workers]
    checks.append(at_most("mesh, idle: resident MB", idle["mesh"].rss, MESH_LIMIT))
    checks.append(at_most("packages of learned models in memory", len(models), 0))
    checks.append(at_least("incidents that waited", incidents, INCIDENTS))
    return Outcome(results, tuple(checks))


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--incidents", type=int, default=INCIDENTS, help="that wait in the end (default: 1000)")


if __name__ == "__main__":
    Benchmark("footprint", "Resident memory, idle and with incidents that wait.", measure, _options).main()
