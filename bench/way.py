"""The way from a webhook to a proxy that enforces protection, one incident after the other, for whatever measures it.

It starts just before the POST is sent and ends when the control plane has Envoy's acknowledgement. Every sample is an
incident of its own; after it the incident is terminated and its lease released, and the next one begins when users are
answered by the service itself again.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
from sqlalchemy import text
from temporalio.client import Client

from activities.analytics.store import open_store
from bench.sender import Sender
from deploy.demo.fleet.client import Pool
from models.catalog import Level
from models.identity import correlation_key
from workers.local.readiness import until
from workers.local.world import REGION, TOKEN, SmallWorld

LOOK_EVERY = 0.002
"""Seconds between two looks into the control plane's log; its lines carry the time, so that this costs no accuracy."""

WAITING = text("SELECT count(*) FROM alerts WHERE state = 'pending' AND service = 'payments'")

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

    def __init__(self, log: Path, service: str) -> None:
        """Those of *service* from now on."""
        self._service = service
        self._log = log.open()
        self._log.seek(0, 2)

    async def next(self) -> float:
        """Unix time of the next one."""
        async with asyncio.timeout(10):
            while True:
                line = self._log.readline()
                if '"protection taken"' in line and line.endswith("\n"):
                    taken = json.loads(line)
                    if taken["service"] != self._service:
                        continue
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
        self._store = open_store(world.store)
        self._acknowledgements = Acknowledgements(world.processes.log("mesh"), "payments")

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

    async def _noted(self) -> bool:
        with self._store.read() as connection:
            return connection.execute(WAITING).scalar_one() == 0

    async def _who_answers(self) -> str:
        status, answer = await self._users.request("GET", "/healthz", 5)
        assert status == 200, f"a user was answered {status}"
        return json.loads(answer)["service"]

    async def _take_back(self) -> None:
        """As before the sample, also in the gateway: it hands over what is about one service one after the other."""
        await until(self._noted, 30, "the gateway has noted the incident")
        key = correlation_key(REGION, "payments", Level.PROTECT)
        await self._client.get_workflow_handle(key).terminate("the sample is taken")
        released = await self.release("payments")
        assert released == 1, f"one incident took {released} leases"
        assert await self._who_answers() == "payments", "the lease was released, and users still meet the fallback"

    async def release(self, *services: str) -> int:
        """Release the leases of *services*; how many there were."""
        leases = (await self._http.get(f"{self._world.urls['MESH']}/v1/status")).json()["leases"]
        of_these = [lease["id"] for lease in leases if lease["service"] in services]
        for lease in of_these:
            url = f"{self._world.urls['MESH']}/v1/leases/{lease}"
            (await self._http.delete(url, headers={"authorization": f"Bearer {TOKEN}"})).raise_for_status()
        return len(of_these)

    def close(self) -> None:
        self._sender.close()
        self._users.close()
        self._acknowledgements.close()
        self._store.close()


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


async def deploy(world: SmallWorld) -> None:
    """The two services on the way, served by Envoy."""
    await world.deploy(("ledger", "v1"), ("payments", "v1"))
    for service in ("ledger", "payments"):
        await world.serve(service, "v1")
