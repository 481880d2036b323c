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
import asyncio
import json
import time
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

import httpx
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.floor import Floor, Parts, parts
from bench.result import Benchmark, Outcome, Progress, at_least, at_most, below, median, percentile
from bench.sender import Sender
from deploy.demo.fleet.client import Pool
from models.catalog import Level
from models.identity import correlation_key
from workers.local.world import REGION, TOKEN, SmallWorld

LEAST_SAMPLES = 200
TIMES_FLOOR = 1.5
LONGEST_MS = 100.0
LOOK_EVERY = 0.002
"""Seconds between two looks into the control plane's log; its lines carry the time, so that this costs no accuracy."""

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


@dataclass(frozen=True)
class Sample:
    """Milliseconds from just before the POST was sent."""

    accepted: float
    """Until the gateway's 202 was read: the delivery is durable."""
    enforced: float
    """Until Envoy had acknowledged the protection."""
    seen: bool
    """Whether the user who asked next was answered by the fallback."""


class Acknowledgements:
    """The control plane's log: a line for each lease once every expected proxy has acknowledged it."""

    def __init__(self, log: Path) -> None:
        self._log = log.open()
        self._log.seek(0, 2)

    async def next(self) -> float:
        """Unix time of the next one."""
        async with asyncio.timeout(10):
            while True:
                line = self._log.readline()
                if '"protection taken"' in line and line.endswith("\n"):
                    taken = json.loads(line)
                    assert not taken["pending"], f"not acknowledged by {taken['pending']}"
                    return datetime.fromisoformat(taken["timestamp"]).timestamp()
                if not line:
                    await asyncio.sleep(LOOK_EVERY)

    def close(self) -> None:
        self._log.close()


class Way:
    """The whole way, one incident after the other."""

    def __init__(self, world: SmallWorld, client: Client, http: httpx.AsyncClient) -> None:
        self._world, self._client, self._http = world, client, http
        self._sender = Sender(int(world.gateway.rpartition(":")[2]), "/v1/alerts/alertmanager", TOKEN)
        self._users = Pool(f"http://127.0.0.1:{world.port('payments')}")
        self._acknowledgements = Acknowledgements(world.processes.log("mesh"))

    async def measure(self, number: int) -> Sample:
        """One fresh incident, and everything it did taken back."""
        body = message(number)
        began = time.time()
        status = await self._sender.post(body)
        accepted = time.time()
        assert status == 202, f"the gateway answered {status}"
        enforced = await self._acknowledgements.next()
        seen = await self._who_answers() == "ledger"
        await self._take_back()
        return Sample((accepted - began) * 1000, (enforced - began) * 1000, seen)

    async def _who_answers(self) -> str:
        status, answer = await self._users.request("GET", "/healthz", 5)
        assert status == 200, f"a user was answered {status}"
        return json.loads(answer)["service"]

    async def _take_back(self) -> None:
        key = correlation_key(REGION, "payments", Level.PROTECT)
        await self._client.get_workflow_handle(key).terminate("the sample is taken")
        leases = (await self._http.get(f"{self._world.urls['MESH']}/v1/status")).json()["leases"]
        assert len(leases) == 1, f"one incident took {len(leases)} leases"
        url = f"{self._world.urls['MESH']}/v1/leases/{leases[0]['id']}"
        (await self._http.delete(url, headers={"authorization": f"Bearer {TOKEN}"})).raise_for_status()
        assert await self._who_answers() == "payments", "the lease was released, and users still meet the fallback"

    def close(self) -> None:
        self._sender.close()
        self._users.close()
        self._acknowledgements.close()


def message(number: int) -> bytes:
    labels = {"alertname": "ErrorsHigh", "service": "payments", "region": REGION, "severity": "critical"}
    alert = {
        "status": "firing",
        "labels": {**labels, "sample": str(number)},
        "annotations": {"summary": "payments fails more requests than it may"},
        "startsAt": "2026-01-31T12:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": f"{number:016x}",
    }
    whole = {"version": "4", "receiver": "bench", "groupKey": f"{number}", "status": "firing", "alerts": [alert]}
    return json.dumps(whole).encode()


async def measure(arguments: argparse.Namespace, folder: Path, progress: Progress) -> Outcome:
    world = SmallWorld(folder / "world", CATALOG, ("payments", "ledger"))
    try:
        progress(
            "starting a small world: agent, mesh, Envoy, Temporal, the gateway; and the floor's own parts", now=True
        )
        await world.start_temporal()
        await world.start()
        await world.deploy(("ledger", "v1"), ("payments", "v1"))
        for service in ("ledger", "payments"):
            await world.serve(service, "v1")
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
        "enforced_ms": _spread(enforced),
        "accepted_ms": _spread([s.accepted for s in samples]),
        "floor_ms": _spread(sums),
        "floor_parts_ms": {f.name: _spread([getattr(bare, f.name) for bare in floors]) for f in fields(Floor)},
    }
    checks = (
        at_most("median from webhook to enforcement, in multiples of the floor", median(enforced) / floor, TIMES_FLOOR),
        below("99th percentile from webhook to enforcement, in ms", percentile(enforced, 0.99), LONGEST_MS),
        at_most("acknowledged, but the next user was not protected", sum(not s.seen for s in samples), 0),
        at_least("samples", len(samples), LEAST_SAMPLES),
    )
    return Outcome(results, checks)


def _spread(milliseconds: list[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    return {name: round(percentile(milliseconds, share), 2) for name, share in shares.items()}


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--samples", type=int, default=LEAST_SAMPLES, help="incidents that count (default: 200)")
    parser.add_argument("--warm-up", type=int, default=20, help="incidents before them that do not (default: 20)")


if __name__ == "__main__":
    Benchmark("mitigation", "From a webhook to a proxy that enforces protection.", measure, _options).main()
