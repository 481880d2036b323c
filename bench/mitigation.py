"""The first protective action: from a webhook to the proxy that enforces it, held against the sum of its bare parts.

The way is the real one: Alertmanager's message to the gateway's process, its durable commit, the eager start of the
Incident workflow in the gateway's own worker, the local activity, the mesh control plane's lease, Envoy. The clock
starts just before the POST is sent and stops when the control plane has Envoy's acknowledgement, by the same clock of
this machine; nothing is subtracted. Then a user asks at Envoy, and must be answered by the fallback. Every sample is an
incident of its own. After it the incident is terminated and its lease released, and the next one begins when users are
answered by the service itself again. Way and floor take turns.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

import httpx
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.floor import Floor, Parts, parts
from bench.result import Benchmark, Outcome, Progress, at_least, at_most, below, median, percentile, spread
from bench.way import CATALOG, Sample, Way, deploy, message
from workers.local.world import SmallWorld

LEAST_SAMPLES = 200
TIMES_FLOOR = 1.5
LONGEST_MS = 100.0


async def measure(arguments: argparse.Namespace, folder: Path, progress: Progress) -> Outcome:
    world = SmallWorld(folder / "world", CATALOG, ("payments", "ledger"))
    try:
        progress(
            "starting a small world: agent, mesh, Envoy, Temporal, the gateway; and the floor's own parts", now=True
        )
        await world.start_temporal()
        await world.start()
        await deploy(world)
        await world.start_gateway()
        client = await Client.connect(world.temporal, data_converter=pydantic_data_converter)
        async with (
            httpx.AsyncClient(trust_env=False) as http,
            parts(folder / "floor", world.processes, client, world.environment) as floor,
        ):
            way = Way(world, client, http)
            samples, floors = await _take_turns(way, floor, arguments, progress)
            way.close()
    finally:
        world.stop()
    return _outcome(samples, floors, arguments.warm_up)


async def _take_turns(
    way: Way, floor: Parts, arguments: argparse.Namespace, progress: Progress
) -> tuple[list[Sample], list[Floor]]:
    samples: list[Sample] = []
    floors: list[Floor] = []
    every = arguments.warm_up + arguments.samples
    for number in range(every):
        sample, bare = await way.measure(number), await floor.measure(message(number))
        if number >= arguments.warm_up:
            samples.append(sample)
            floors.append(bare)
        progress(
            f"{number + 1} of {every}: enforced after {sample.enforced:.1f} ms, the parts take {bare.total:.1f} ms"
        )
    return samples, floors


def _outcome(samples: list[Sample], floors: list[Floor], dropped: int) -> Outcome:
    enforced, sums = [s.enforced for s in samples], [f.total for f in floors]
    floor = median(sums)
    results = {
        "samples": len(samples),
        "dropped_as_warm_up": dropped,
        "enforced_is": "acknowledged by Envoy; the next user is answered by the fallback",
        "enforced_ms": spread(enforced),
        "accepted_ms": spread([s.accepted for s in samples]),
        "floor_ms": spread(sums),
        "floor_parts_ms": {f.name: spread([getattr(bare, f.name) for bare in floors]) for f in fields(Floor)},
    }
    checks = (
        at_most("median from webhook to enforcement, in multiples of the floor", median(enforced) / floor, TIMES_FLOOR),
        below("99th percentile from webhook to enforcement, in ms", percentile(enforced, 0.99), LONGEST_MS),
        at_most("acknowledged, but the next user was not protected", sum(not s.seen for s in samples), 0),
        at_least("samples", len(samples), LEAST_SAMPLES),
    )
    return Outcome(results, checks)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--samples", type=int, default=LEAST_SAMPLES, help="incidents that count (default: 200)")
    parser.add_argument("--warm-up", type=int, default=20, help="incidents before them that do not (default: 20)")


if __name__ == "__main__":
    Benchmark("mitigation", "From a webhook to a proxy that enforces protection.", measure, _options).main()
