"""Storms over a small world: each from its first POST until its incidents only wait, and what it cost.

Whether anything was lost or doubled is asked of the store, which says what has each alert, and of every incident, which
says of how many alerts it was told.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from sqlalchemy import text
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from activities.analytics.store import open_store
from bench import processor
from bench.result import spread
from bench.sender import Sender
from bench.storm_messages import ALERTS_A_SERVICE, SERVICES, STRUCK, alert, alerts, body
from bench.way import Acknowledgements, Sample, Way
from models.catalog import Level
from models.identity import correlation_key
from models.incident import IncidentState, Phase
from workers.local.readiness import until
from workers.local.world import REGION, TOKEN, SmallWorld
from workflows.search import PHASE, SERVICE

POSTS = 1_000
REPEATED_AT_ONCE, REPEATED_LATER = 50, 50
"""Messages of the second storm that are sent twice: at the same moment, and after the others."""

SENDERS = 64
"""Connections of the second storm."""

SCRAPE_EVERY = 1.0
SETTLED = 120.0
"""Seconds within which a storm must have been handed over, and its incidents must wait."""

LOOK_EVERY = 0.1
"""Seconds between two questions whether they do: Temporal should not be busy with those."""

PATH = "/v1/alerts/alertmanager"


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
    settled: float = 0.0
    """Seconds from the first POST until every incident has assessed, planned and waits for a person."""
    processor: dict[str, float] = field(default_factory=dict[str, float])
    """Seconds that each process has used by then."""
    critical: list[Sample] = field(default_factory=list[Sample])
    struck: list[float] = field(default_factory=list[float])
    """Milliseconds from a critical alert about a service of the storm until Envoy protects that; 0 where it did."""
    incidents: int = 0
    lost: int = 0
    doubled: int = 0

    @property
    def durable(self) -> float:
        return max(self.answered)

    @property
    def worked(self) -> float:
        """Processor seconds of everything."""
        return sum(self.processor.values())

    def as_json(self) -> dict[str, Any]:
        return {
            "storm": self.name,
            "alerts": self.alerts,
            "messages": len(self.answered) + self.refused.total(),
            "refused": dict(self.refused),
            "answered_s": {**spread(self.answered), "longest": round(self.durable, 3)},
            "handed_over_s": round(self.handed_over, 2),
            "settled_s": round(self.settled, 2),
            "processor_s": {name: round(seconds, 2) for name, seconds in self.processor.items() if seconds},
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
        self._processes = processor.everything(world.processes)
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
        before, began, since = processor.used(self._processes), time.monotonic(), datetime.now(UTC)
        yield
        await until(self._handed_over, SETTLED, f"the storm {storm.name} has been handed over")
        storm.handed_over = time.monotonic() - began
        over.set()
        await self._until_all_wait(services, since)
        storm.settled = time.monotonic() - began
        after = processor.used(self._processes)
        storm.processor = {name: after[name] - before[name] for name in before}
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

    async def _until_all_wait(self, services: Sequence[str], since: datetime) -> None:
        """For an approval. Those of the storm before have been ended, of which Temporal's index may not know yet."""
        new = f"ExecutionStatus = 'Running' AND StartTime >= '{since.isoformat()}' AND {SERVICE.name} != 'payments'"
        waiting = f"{new} AND {PHASE.name} = '{Phase.AWAITING_APPROVAL}'"
        async with asyncio.timeout(SETTLED):
            while True:
                if (await self._client.count_workflows(waiting)).count >= len(services):
                    return
                await asyncio.sleep(LOOK_EVERY)

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
