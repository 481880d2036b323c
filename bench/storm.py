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

Whether anything was lost or doubled is asked of the store, which says what has each alert, and of every incident, which
says of how many alerts it was told.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError

from activities.analytics.store import open_store
from bench.result import Benchmark, Outcome, Progress, at_least, at_most, below, median, percentile, spread
from bench.sender import Sender
from bench.way import CATALOG, Acknowledgements, Sample, Way, deploy
from models.catalog import Level
from models.identity import correlation_key
from models.incident import IncidentState
from workers.local.readiness import until
from workers.local.world import REGION, TOKEN, SmallWorld

SIZES = (100, 1_000, 10_000)
ALERTS_A_SERVICE = 100
SERVICES = tuple(f"storm{number}" for number in range(SIZES[-1] // ALERTS_A_SERVICE))
STRUCK = SERVICES[19::20]
"""Those of a large storm that get a critical alert, in this order."""

POSTS = 1_000
REPEATED_AT_ONCE, REPEATED_LATER = 50, 50
"""Messages of the second storm that are sent twice: at the same moment, and after the others."""

SENDERS = 64
"""Connections of the second storm."""

LONGEST_ANSWER = 2.0
LONGEST_ENFORCEMENT_MS = 1_000.0
MOST_GROWTH = 1.2
LEAST_CRITICAL = 100
SCRAPE_EVERY = 1.0
SETTLED = 120.0
"""Seconds within which a storm must have been handed over."""

PATH = "/v1/alerts/alertmanager"


def catalog() -> str:
    policies, services = CATALOG.split("services:\n")
    storm = "".join(
        f'  {name}: {{tier: 3, regions: [eu], port: "${{{name.upper()}}}", '
        f"policy: {'struck' if name in STRUCK else 'storm'}, slos: {{availability: {{objective: 99}}}}}}\n"
        for name in SERVICES
    )
    calm, struck = "{level: protect}", "{level: protect, protect: {action: limit, max_requests: 64}, lease: 600}"
    return f"{policies}  storm: {calm}\n  struck: {struck}\nservices:\n{services}{storm}"


def alerts(storm: str, number: int, services: Sequence[str]) -> list[dict[str, Any]]:
    return [alert(storm, one, services[one % len(services)], "warning") for one in range(number)]


def alert(storm: str, number: int, service: str, severity: str) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {
            "alertname": "ErrorsHigh",
            "service": service,
            "region": REGION,
            "severity": severity,
            "instance": f"10.0.{number // 256}.{number % 256}:9090",
        },
        "annotations": {"summary": f"instance {number} fails more requests than it may"},
        "startsAt": "2026-01-31T12:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph?g0.expr=errors&g0.tab=1",
        "fingerprint": f"{storm}-{number:06}",
    }


def body(group: str, firing: list[dict[str, Any]]) -> bytes:
    whole = {"version": "4", "receiver": "bench", "groupKey": group, "status": "firing", "alerts": firing}
    return json.dumps(whole).encode()


@dataclass
class Storm:
    """What became of one."""

    name: str
    alerts: int
    answered: list[float] = field(default_factory=list[float])
    """Seconds from a message's turn to set out until its answer."""
    refused: Counter[int] = field(default_factory=Counter[int])
    handed_over: float = 0.0
    """Seconds from the first POST until no alert waits."""
    critical: list[Sample] = field(default_factory=list[Sample])
    struck: list[float] = field(default_factory=list[float])
    """Milliseconds from a critical alert about a service of the storm until Envoy protects that; 0 where it did."""
    incidents: int = 0
    lost: int = 0
    doubled: int = 0

    @property
    def durable(self) -> float:
        return max(self.answered)

    def as_json(self) -> dict[str, Any]:
        return {
            "storm": self.name,
            "alerts": self.alerts,
            "messages": len(self.answered) + self.refused.total(),
            "refused": dict(self.refused),
            "answered_s": {**spread(self.answered), "longest": round(self.durable, 3)},
            "handed_over_s": round(self.handed_over, 2),
            "incidents": self.incidents,
            "lost": self.lost,
            "doubled": self.doubled,
            "critical": len(self.critical),
            "critical_enforced_ms": spread([sample.enforced for sample in self.critical]),
            "struck_enforced_ms": [round(milliseconds, 1) for milliseconds in self.struck],
        }


class Weather:
    """Makes storms over one world, and finds out what became of them."""

    def __init__(self, world: SmallWorld, client: Client, way: Way) -> None:
        self._client, self._way = client, way
        self._port = int(world.gateway.rpartition(":")[2])
        self._store = open_store(world.store)
        self._criticals = 0
        self._metrics = f"{world.gateway}/metrics"
        self._mesh_log = world.processes.log("mesh")

    async def one_message(self, name: str, number: int, *, critical: bool) -> Storm:
        """All alerts in one POST."""
        services = SERVICES[: max(1, number // ALERTS_A_SERVICE)]
        storm = Storm(name, number)
        whole = body(name, alerts(name, number, services))
        struck = [service for service in STRUCK if critical and service in services]
        async with self._watched(storm, services, critical=critical):
            sender = Sender(self._port, PATH, TOKEN)
            protected = {service: Acknowledgements(self._mesh_log, service) for service in struck}
            await self._post(storm, sender, whole, time.monotonic())
            for service, acknowledgements in protected.items():
                await self._strike(storm, sender, service, acknowledgements)
            sender.close()
        return storm

    async def _strike(self, storm: Storm, sender: Sender, service: str, acknowledgements: Acknowledgements) -> None:
        """A critical alert about a service of the storm, until that is protected."""
        urgent = alert(storm.name, storm.alerts, service, "critical")
        began = time.time()
        await self._post(storm, sender, body(f"{storm.name}-{service}", [urgent]), time.monotonic())
        storm.struck.append(max(0.0, await acknowledgements.next() - began) * 1000)
        storm.alerts += 1
        acknowledgements.close()

    async def many_messages(self, name: str) -> Storm:
        """One alert a message, sent within a second, some of them twice."""
        services = SERVICES[: POSTS // ALERTS_A_SERVICE]
        storm = Storm(name, POSTS)
        bodies = [body(f"{name}-{one}", [alert]) for one, alert in enumerate(alerts(name, POSTS, services))]
        every = POSTS // REPEATED_AT_ONCE
        turns = [copy for number, one in enumerate(bodies) for copy in [one] * (2 if number % every == 0 else 1)]
        async with self._watched(storm, services, critical=True):
            senders = asyncio.Queue[Sender]()
            for _ in range(SENDERS):
                senders.put_nowait(Sender(self._port, PATH, TOKEN))
            began = time.monotonic()
            await asyncio.gather(
                *(self._in_turn(storm, senders, one, began + turn / len(turns)) for turn, one in enumerate(turns))
            )
            again = time.monotonic()
            later = bodies[1 : 2 * REPEATED_LATER : 2]
            await asyncio.gather(*(self._in_turn(storm, senders, one, again) for one in later))
            while not senders.empty():
                senders.get_nowait().close()
        return storm

    async def _in_turn(self, storm: Storm, senders: asyncio.Queue[Sender], one: bytes, due: float) -> None:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        sender = await senders.get()
        await self._post(storm, sender, one, due)
        senders.put_nowait(sender)

    async def _post(self, storm: Storm, sender: Sender, one: bytes, due: float) -> None:
        """As a sender does: a refused message is sent again."""
        while (status := await sender.post(one)) != 202:
            storm.refused[status] += 1
            await asyncio.sleep(1)
        storm.answered.append(time.monotonic() - due)

    @asynccontextmanager
    async def _watched(self, storm: Storm, services: Sequence[str], *, critical: bool) -> AsyncGenerator[None]:
        """A storm from its first POST until it has been handed over, and the reckoning."""
        over = asyncio.Event()
        others = [asyncio.create_task(self._scrape(over))]
        others += [asyncio.create_task(self._critical(storm, over))] if critical else []
        began = time.monotonic()
        yield
        await until(self._handed_over, SETTLED, f"the storm {storm.name} has been handed over")
        storm.handed_over = time.monotonic() - began
        over.set()
        await asyncio.gather(*others)
        await self._reckon(storm, services)

    async def _critical(self, storm: Storm, over: asyncio.Event) -> None:
        """One critical incident after the other, until the storm is over; then the last one is finished."""
        while not over.is_set():
            storm.critical.append(await self._way.measure(self._criticals))
            self._criticals += 1

    async def _scrape(self, over: asyncio.Event) -> None:
        """As Prometheus does."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(trust_env=False, timeout=10, headers=headers) as http:
            while not over.is_set():
                (await http.get(self._metrics)).raise_for_status()
                await asyncio.sleep(SCRAPE_EVERY)

    async def _handed_over(self) -> bool:
        waiting = text("SELECT id FROM alerts WHERE state = 'pending' AND service <> 'payments' LIMIT 1")
        with self._store.read() as connection:
            return connection.execute(waiting).first() is None

    async def _reckon(self, storm: Storm, services: Sequence[str]) -> None:
        has = text(
            "SELECT DISTINCT fingerprint, incident FROM alerts WHERE fingerprint LIKE :these AND state = 'started'"
        )
        with self._store.read() as connection:
            pairs = [tuple(row) for row in connection.execute(has, {"these": f"{storm.name}-%"})]
        held = Counter(fingerprint for fingerprint, _ in pairs)
        told = 0
        for service in services:
            told += await self._told(service)
        await self._way.release(*STRUCK)
        storm.incidents = len({incident for _, incident in pairs})
        storm.lost = storm.alerts - len(held) + max(0, len(held) - told)
        storm.doubled = len(pairs) - len(held) + max(0, told - len(held)) + (storm.incidents - len(services))

    async def _told(self, service: str) -> int:
        """How many alerts the service's incident knows; then it is ended, so that the next storm begins anew."""
        run = self._client.get_workflow_handle(correlation_key(REGION, service, Level.PROTECT))

        async with asyncio.timeout(30):
            while True:
                with suppress(RPCError):  # it is busy
                    state = await run.query("state", result_type=IncidentState)
                    break
        assert (await run.describe()).status is WorkflowExecutionStatus.RUNNING, f"the incident of {service} has ended"
        await run.terminate("the storm is over")
        return state.alerts_had

    def close(self) -> None:
        self._store.close()


async def measure(arguments: argparse.Namespace, folder: Path, progress: Progress) -> Outcome:
    world = SmallWorld(folder / "world", catalog(), ("payments", "ledger", *SERVICES))
    try:
        progress("starting a small world: agent, mesh, Envoy, Temporal, the gateway, a pool", now=True)
        await world.start_temporal()
        await world.start()
        await deploy(world)
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

    costs = {kind: {size: round(cost(size, kind), 4) for size in SIZES} for kind in ("durable", "handed_over")}
    growth = [
        at_most(
            f"growth of the cost an alert, {kind}, from {small:,} to {large:,}",
            cost(large, kind) / cost(small, kind),
            MOST_GROWTH,
        )
        for kind in costs
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
