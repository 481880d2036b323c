"""The small world in which the matrix is run: every part is a process of its own, and can be killed.

The store is PostgreSQL, because a file cannot be killed. Between the pool and the control planes stands a
:class:`~tests.chaos.wire.Wire`; control planes, proxies and replicas speak to each other without one.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from ulid import ULID

from activities.analytics.store import Store, StoreUnavailable, intents, open_store
from activities.analytics.store.incidents import StoredIncident, incident
from activities.fault_points import VARIABLE
from deploy.demo.fleet.client import Broken, Pool
from deploy.demo.fleet.releases import HowToRun
from models.intent import Intent
from models.lease import Lease
from models.receipt import Fields, Receipt
from tests.chaos import clock
from tests.chaos.point import HARNESS, Counting, Point
from tests.chaos.rendezvous import Rendezvous
from tests.chaos.subject import PAYMENTS, SERVICES, SUBJECTS, Subject, catalog
from tests.chaos.wire import Mishap, Wire
from tests.postgres import Postgres
from workers.local.agent.process import REPLICA_VARIABLE
from workers.local.ports import free_ports
from workers.local.readiness import answers, until
from workers.local.world import REGION, TOKEN, UP_WITHIN, SmallWorld

ASKED = 10
"""Requests of a user at the end, to see who answers."""

PARTS = ("pool", "gateway", "mesh", "envoy", "agent", "temporal", "store")
"""What can be killed."""

UNDER_WAY = 0.5
"""Seconds after which a message is under way at a gateway."""

POOL = 2
"""Processes of the pool."""

MEDDLING: dict[str, tuple[str, Fields]] = {
    "scale-target": ("agent", {"replicas/v1": 2}),
    "switch": ("mesh", {"weight/v1": 60, "weight/v2": 40}),
    "drain": ("mesh", {"drain/v2": None}),
    "retire": ("agent", {"replicas/v2": 2}),
}
"""What somebody else makes of the fields that a step has changed."""


@dataclass(frozen=True)
class Meddled:
    part: str
    fields: Fields


Picture = tuple[object, ...]
Met = Callable[[Point], Awaitable[None]]


class ChaosWorld(SmallWorld):
    """Start it as an async context manager."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, catalog(), SERVICES)
        self._direct = {name: self.urls[name] for name in ("MESH", "AGENT")}
        mesh, agent = free_ports(2)
        self.wires = {
            "mesh": Wire("mesh", mesh, self._direct["MESH"], self._said_on_the_wire),
            "agent": Wire("agent", agent, self._direct["AGENT"], self._said_on_the_wire),
        }
        self.wired = {**self.urls, "MESH": f"http://127.0.0.1:{mesh}", "AGENT": f"http://127.0.0.1:{agent}"}
        self.postgres = Postgres("fsync=off", "max_connections=60")
        self.met: Met | None = None
        self.meddled: Meddled | None = None
        self.subject = PAYMENTS
        self._earlier: set[str] = set()
        self._clock_of: str | None = None
        self._second: asyncio.Task[None] | None = None
        self._ending: list[asyncio.Task[None]] = []
        self.standing: dict[Point, int] = {}
        """Which process has come to a point."""
        self._counting = Counting()
        self._rendezvous = Rendezvous(folder / "points", self._said_by_a_process)
        self._exit = AsyncExitStack()

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.wired, VARIABLE: str(self._rendezvous.socket)}

    async def __aenter__(self) -> ChaosWorld:
        try:
            await self._start_everything()
        except BaseException:
            await self._exit.aclose()
            raise
        return self

    async def _start_everything(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._exit.push_async_callback(asyncio.to_thread, self.postgres.stop)
        await asyncio.to_thread(self.postgres.start)
        self.store = self.postgres.new_database()
        self.journal: Store = open_store(self.store)
        self._exit.callback(self.journal.close)
        for connected in (self._rendezvous, *self.wires.values()):
            await self._exit.enter_async_context(connected)
        self._exit.push_async_callback(asyncio.to_thread, self.stop)
        await self.start_temporal()
        await self.start()
        await self.start_gateway()
        await self.start_pool(POOL)
        self.client = await Client.connect(self.temporal, data_converter=pydantic_data_converter)
        bad = [(service, release) for each in SUBJECTS for service in each.services for release in ("v1", "v2")]
        await self.deploy(("ledger", "v1"), *bad)
        await self.serve("ledger", "v1")
        anew = httpx.Limits(max_keepalive_connections=0)  # else a request might meet a part that was killed since
        self.http = await self._exit.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=5, limits=anew))
        asking = asyncio.create_task(self._ask())
        self._exit.callback(asking.cancel)

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    def how_to_run(self, service: str, release: str, fault: str) -> HowToRun:
        how = super().how_to_run(service, release, fault)
        if service in ("ledger", *PAYMENTS.services):
            return how
        fails = next(each.fails for each in SUBJECTS if service in each.services) if release == "v2" else 0
        return {
            "command": [sys.executable, "-m", "tests.chaos.service"],
            "env": {**how["env"], "FAILS": str(fails)},
        }

    # What befalls it

    async def kill(self, part: str) -> None:
        """kill -9 of the part and of all that it has started but for replicas; and what keeps it starts it again."""
        if part == "store":
            await self.kill_store(down_for=0)
        else:
            await asyncio.to_thread(self.processes.kill_named, part)
            self.processes.start_again(part)

    async def kill_store(self, down_for: float) -> None:
        """*down_for*: seconds until it is started again; this does not wait for them."""
        await asyncio.to_thread(self.postgres.kill)
        self.later(down_for, self.postgres.start_again)

    def later(self, seconds: float, end: Callable[[], object]) -> None:
        """What a fault has taken away comes back. The case waits for it."""

        async def wait() -> None:
            await asyncio.sleep(seconds)
            end()

        self._ending.append(asyncio.create_task(wait()))

    def refuse(self, call: str) -> None:
        """*call* is refused however often it is made: ``mesh is asked to change payments.drain:do:1``."""
        part, _, asked = call.partition(" is asked to ")
        self.wires[part].mishaps.append(Mishap(asked, "refused"))

    async def _give_clock(self, part: str | None) -> None:
        """Let *part* be the only one whose clock can be made to jump."""
        if part == self._clock_of:
            return
        for changed in (self._clock_of, part):
            if changed is not None:
                more = clock.environment(changed, self.folder) if changed == part else {}
                await asyncio.to_thread(self.processes.stop_named, changed)
                if changed == "pool":
                    self.processes.log("pool").write_text("")  # of whoever has ended
                self.processes.start_again(changed, {**self.environment, **more})
                if changed == "pool":
                    await until(self.polls(POOL), UP_WITHIN, "the pool polls again")
        self._clock_of = part
        await self.whole()

    async def whole(self) -> None:
        """Wait until every part is up, and nothing that a fault has begun is under way."""
        await asyncio.gather(*self._ending)
        self._ending.clear()
        for part in ("mesh", "agent"):
            await until(lambda part=part: answers(f"{self._direct[part.upper()]}/healthz"), UP_WITHIN, f"{part} is up")
        await until(lambda: answers(f"{self.urls['ENVOY']}/ready"), UP_WITHIN, "Envoy is up")
        await until(self._gateway_is_whole, UP_WITHIN, "the gateway, Temporal and the store are up")
        if self._second:
            await self._second
        for wire in self.wires.values():
            await wire.settled()

    async def _gateway_is_whole(self) -> bool:
        with suppress(httpx.HTTPError):
            answer = await self.http.get(f"{self.gateway}/readyz")
            return answer.status_code == 200 and answer.json()["temporal"] == "there"
        return False

    async def _said_by_a_process(self, pid: int, said: str) -> None:
        part = self.processes.named(pid)
        if part is not None:
            await self._come_to(part, said, pid)

    async def _said_on_the_wire(self, said: str) -> None:
        await self._come_to("wire", said, None)

    async def _come_to(self, part: str, said: str, pid: int | None) -> None:
        point = self._counting.point(part, said)
        if point is not None and self.met is not None:
            if pid is not None:
                self.standing[point] = pid
            await self.met(point)

    # What people and senders do

    async def set_up(self, subject: Subject, clock_of: str | None = None) -> None:
        """As after the deployment of v2 of *subject*, with nothing left of any incident; and whose clock can be made to
        jump."""
        self.met = None
        self.subject = subject
        self.meddled = None
        self.standing.clear()
        self._second = None
        await asyncio.to_thread(self.processes.stop_named, "gateway-2")
        for wire in self.wires.values():
            wire.mishaps.clear()
        await self.whole()
        if self._clock_of:
            clock.set_clock(self._clock_of, self.folder, 0)  # a case before may have moved it
        await self._give_clock(clock_of)
        for service in subject.services:
            await self.serve(service, "v2")
        self._earlier |= {one.id for one in await self.recorded()}
        self._counting.begin()

    async def alert(self, group: str) -> None:
        """What Alertmanager sends, as often as it sends it: until it is told that it was accepted."""
        self._message = webhook(group, self.subject.troubled)
        deadline = time.monotonic() + UP_WITHIN
        while time.monotonic() < deadline:
            if await self._send(self.gateway):
                return
            await asyncio.sleep(0.5)
        raise AssertionError("the gateway accepted no alert")

    async def same_alert_at_a_second_gateway(self) -> None:
        """Alertmanager's peer sends the same message elsewhere, again and again until it is accepted.

        Returns once it is under way there: where the first gateway stands still in the middle of its commit, the second
        one has to wait for it.
        """
        [port] = free_ports(1)
        url = f"http://127.0.0.1:{port}"
        self.start_part("gateway-2", "gateway", environment={"STERNWAY_GATEWAY_PORT": str(port)})
        await until(lambda: answers(f"{url}/readyz"), UP_WITHIN, "the second gateway is up")
        sending = until(lambda: self._send(url), UP_WITHIN, "the second gateway has accepted the alert")
        self._second = asyncio.create_task(sending)
        await asyncio.wait([self._second], timeout=UNDER_WAY)

    async def _send(self, gateway: str) -> bool:
        headers = {"authorization": f"Bearer {TOKEN}"}
        with suppress(httpx.HTTPError):
            answer = await self.http.post(f"{gateway}/v1/alerts/alertmanager", json=self._message, headers=headers)
            return answer.status_code == 202
        return False

    async def meddle(self, step: str) -> None:
        """Somebody else changes what *step* has just changed."""
        part, fields = MEDDLING[step]
        url = f"{self._direct[part.upper()]}/v1/{'services' if part == 'mesh' else f'regions/{REGION}/services'}"
        body = {"key": f"{HARNESS}meddle-{ULID()}:do:1", "fields": fields}
        headers = {"authorization": f"Bearer {TOKEN}"}
        (await self.http.post(f"{url}/payments/changes", json=body, headers=headers)).raise_for_status()
        self.meddled = Meddled(part, fields)

    async def meddling_stands(self) -> bool:
        """Whether what somebody else changed is as they left it."""
        if self.meddled is None:
            return True
        state = (await self.routing() if self.meddled.part == "mesh" else await self.workload()).state
        return all(state.get(name) == value for name, value in self.meddled.fields.items())

    async def say(self, incident: str, action: str) -> str:
        """A person's word, said until somebody hears it. What the incident answers, also where it refuses."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        deadline = time.monotonic() + UP_WITHIN
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                answer = await self.http.post(
                    f"{self.gateway}/v1/incidents/{incident}/{action}",
                    json={"by": "the run", "reason": "chaos"},
                    headers=headers,
                )
                if answer.status_code in (200, 409):
                    return answer.text
            await asyncio.sleep(0.3)
        raise AssertionError(f"nobody heard {action}")

    async def cancel(self) -> None:
        """Somebody cancels the incident's workflow; returns once its rollback has heard of that."""
        [found] = await self.recorded()
        await self.client.get_workflow_handle(found.workflow).cancel()
        rollback = self.client.get_workflow_handle(f"rollback:{found.id}:{self.subject.troubled}")

        async def heard() -> bool:
            events = [event async for event in rollback.fetch_history_events()]
            return any(e.workflow_execution_signaled_event_attributes.signal_name == "control" for e in events)

        await until(heard, UP_WITHIN, "the rollback has heard of the cancellation")

    async def _ask(self) -> None:
        """A user, so that there is something to judge a release by."""
        pools = {name: Pool(f"http://127.0.0.1:{self.port(name)}") for each in SUBJECTS for name in each.services}
        while True:
            asked = self.subject
            for service in asked.services:
                with suppress(Broken, TimeoutError):
                    await pools[service].request(*asked.asks, 3)
            await asyncio.sleep(asked.every)

    # What there is

    async def unconfirmed(self) -> tuple[str, ...]:
        """Proxies that do not have what is wanted now."""
        return tuple([proxy for name in self.subject.services for proxy in (await self.routing(name)).missing])

    async def answering(self) -> frozenset[str]:
        """The releases that answer a user's requests; ``failed`` for one that is not answered."""
        names = self.subject.services
        return frozenset([f"{name} {await self._who_answers(name)}" for name in names for _ in range(ASKED)])

    async def _who_answers(self, service: str) -> str:
        try:
            answer = await self.http.get(f"http://127.0.0.1:{self.port(service)}/healthz")
        except httpx.HTTPError:
            return "failed"
        return str(answer.json().get("release")) if answer.status_code == 200 else "failed"

    async def serving(self) -> frozenset[str]:
        """The releases that have a share of the traffic."""
        return frozenset(
            [
                f"{name} {release}"
                for name in self.subject.services
                for release, weight in (await self.routing(name)).weights.items()
                if weight
            ]
        )

    async def picture(self) -> Picture:
        """All that a rollback may change, as it is."""
        return tuple([await self._picture(name) for name in self.subject.services])

    async def _picture(self, service: str) -> Picture:
        routing, workload = await self.routing(service), await self.workload(service)
        copies = {name: value for name, value in routing.state.items() if name.startswith("mirror/") and value}
        replicas = {release: n for release, n in workload.replicas.items() if n}
        frozen = bool(workload.state.get("frozen"))
        return routing.weights, tuple(sorted(routing.draining)), copies, replicas, frozen

    async def generations(self) -> dict[str, int]:
        """Of each ledger, of all services that are rolled back."""
        names = self.subject.services
        return {
            "mesh": sum([(await self.routing(name)).generation for name in names]),
            "agent": sum([(await self.workload(name)).generation for name in names]),
        }

    async def recorded(self) -> list[StoredIncident]:
        """Incidents of the troubled service, but for those of earlier cases; none while the store does not answer."""
        with suppress(StoreUnavailable):
            return await asyncio.to_thread(self._read_recorded)
        return []

    def _read_recorded(self) -> list[StoredIncident]:
        with self.journal.read() as connection:
            query = text("SELECT id FROM incidents WHERE service = :service")
            ids = set(connection.execute(query, {"service": self.subject.troubled}).scalars())
        return [found for id in ids - self._earlier if (found := incident(self.journal, id))]

    def receipts(self, incident: str) -> dict[str, list[Receipt]]:
        """What each ledger has of the incident, oldest first."""
        files = {"mesh": self.folder / "mesh" / "mesh.db", "agent": self.folder / "agent" / "agent.db"}
        return {part: _receipts(file, incident) for part, file in files.items()}

    async def leases(self, incident: str) -> list[Lease]:
        """The active ones that it owns."""
        status = (await self.http.get(f"{self._direct['MESH']}/v1/status")).raise_for_status().json()
        return [lease for lease in map(Lease.model_validate, status["leases"]) if lease.owner == incident]

    async def wishes(self, incident: str) -> list[Intent]:
        """What it still wants of guards."""
        found = await asyncio.to_thread(intents.holding, self.journal, REGION)
        return [one for one in found if one.owner == incident and one.expires_at > datetime.now(UTC)]

    async def running(self, workflow: str) -> bool:
        try:
            description = await self.client.get_workflow_handle(workflow).describe()
        except RPCError:
            return False
        return description.status is WorkflowExecutionStatus.RUNNING

    async def wanted(self) -> dict[str, int]:
        """Replicas, by service and release."""
        return {
            f"{name} {release}": number
            for name in self.subject.services
            for release, number in (await self.workload(name)).replicas.items()
            if number
        }

    async def replicas(self) -> tuple[dict[str, int], int]:
        """Those that are ready as the agent lists them, and how many processes there are of the services."""
        listed: list[dict[str, Any]] = (await self.http.get(f"{self._direct['AGENT']}/v1/replicas")).json()["replicas"]
        ready: dict[str, int] = {}
        for replica in listed:
            if replica["service"] in self.subject.services and replica["status"] == "ready":
                which = f"{replica['service']} {replica['release']}"
                ready[which] = ready.get(which, 0) + 1
        return ready, await asyncio.to_thread(self._processes)

    def _processes(self) -> int:
        ours = f":{self.port('ledger')}".encode()
        names = {f"STERNWAY_SERVICE={name}".encode() for name in self.subject.services}
        found = 0
        for entry in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                environment = entry.read_bytes()
                is_ours = REPLICA_VARIABLE.encode() in environment and ours in environment
                found += is_ours and not names.isdisjoint(environment.split(b"\0"))
        return found


def webhook(group: str, service: str) -> dict[str, Any]:
    labels = {"alertname": "Burn", "service": service, "region": REGION, "severity": "critical"}
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": {"summary": f"{service} fails"},
        "startsAt": "2026-01-31T12:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": group,
    }
    return {"version": "4", "groupKey": group, "receiver": "chaos", "status": "firing", "alerts": [alert]}


def _receipts(file: Path, incident: str) -> list[Receipt]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as ledger:
        query = "SELECT receipt FROM ledger_receipts WHERE key LIKE ? ORDER BY sequence"
        return [Receipt.model_validate_json(row[0]) for row in ledger.execute(query, (f"{incident}:%",))]
