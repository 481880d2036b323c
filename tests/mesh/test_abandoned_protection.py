"""Protection that an incident took ends by itself, whatever of Sternway is dead."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio

from tests.waiting import until
from workers.local.readiness import answers
from workers.local.world import REGION, TOKEN, UP_WITHIN, SmallWorld
from workers.mesh.protection import GRACE

LEASE = 5.0
"""Seconds, the least that a policy may say."""

CATALOG = f"""
version: 1
regions:
  eu:
    mesh: {{envoy: {{kind: envoy, url: "${{MESH}}", proxies: [envoy-eu]}}}}
    platform: {{local: {{kind: local, url: "${{AGENT}}"}}}}
    telemetry: {{envoy: {{kind: envoy, url: "${{ENVOY}}"}}}}
defaults: {{mesh: envoy, platform: local, telemetry: envoy}}
policies:
  first: {{level: protect, protect: {{action: fallback, share: 100}}, lease: {LEASE:g}, hold_timeout: 600}}
services:
  payments:
    tier: 1
    regions: [eu]
    port: ${{PAYMENTS}}
    depends_on: [ledger]
    fallback: ledger
    slos: {{availability: {{objective: 99.9}}}}
    policy: first
  ledger: {{tier: 2, regions: [eu], port: "${{LEDGER}}", slos: {{availability: {{objective: 99.9}}}}}}
"""


class Protected:
    """Payments, whose incident has protected it and renews that."""

    def __init__(self, world: SmallWorld, http: httpx.AsyncClient) -> None:
        self.world, self._http = world, http

    async def open_incident(self) -> None:
        report = {"service": "payments", "region": REGION, "reason": "it fails"}
        headers = {"authorization": f"Bearer {TOKEN}"}
        (await self._http.post(f"{self.world.gateway}/v1/incidents", json=report, headers=headers)).raise_for_status()
        (first,) = await until(self.leases, 10, "the protection is taken")

        async def renewed() -> bool:
            return [lease["expires_at"] for lease in await self.leases()] > [first["expires_at"]]

        await until(renewed, 2 * LEASE, "the protection is renewed")

    async def leases(self) -> list[dict[str, Any]]:
        return (await self._http.get(f"{self.world.urls['MESH']}/v1/status")).json()["leases"]

    async def who_answers(self) -> str:
        answer = await self._http.get(f"http://127.0.0.1:{self.world.port('payments')}/healthz")
        return answer.raise_for_status().json()["service"]

    def kill(self, *parts: str) -> None:
        for part in parts:
            self.world.processes.kill_named(part)


@pytest_asyncio.fixture
async def protected(tmp_path: Path) -> AsyncIterator[Protected]:
    world = SmallWorld(tmp_path, CATALOG, ("payments", "ledger"))
    try:
        await world.start_temporal()
        await world.start()
        await world.start_gateway()
        await world.start_pool()
        await world.deploy(("ledger", "v1"), ("payments", "v1"))
        for service in ("ledger", "payments"):
            await world.serve(service, "v1")
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            stage = Protected(world, http)
            await stage.open_incident()
            yield stage
    finally:
        world.stop()


async def ends_in_time(protected: Protected, expires_at: str) -> None:
    """Users get the full service again, no later than the lease's end and the proxy's own grace."""

    async def full_service() -> bool:
        return await protected.who_answers() == "payments"

    left = (datetime.fromisoformat(expires_at) - datetime.now().astimezone()).total_seconds()
    await until(full_service, left + GRACE + 1, "the protection has ended")


async def test_with_everything_dead_but_the_mesh_the_lease_lapses(protected: Protected) -> None:
    protected.kill("gateway", "pool", "temporal", "agent")
    (lease,) = await protected.leases()
    assert await protected.who_answers() == "ledger"
    await ends_in_time(protected, lease["expires_at"])
    assert await protected.leases() == []


async def test_with_the_mesh_dead_as_well_the_proxy_serves_on_and_lifts_it_and_the_mesh_comes_back_without(
    protected: Protected,
) -> None:
    (lease,) = await protected.leases()
    protected.kill("gateway", "pool", "temporal", "agent", "mesh")
    assert await protected.who_answers() == "ledger", "the proxy goes on with what it had"
    await ends_in_time(protected, lease["expires_at"])
    protected.world.start_mesh()
    await until(lambda: answers(f"{protected.world.urls['MESH']}/healthz"), UP_WITHIN, "the mesh is back")
    assert await protected.leases() == []

    async def connected() -> bool:
        return not (await protected.world.routing()).missing

    await until(connected, 10, "the proxy has what the mesh wants")
    assert await protected.who_answers() == "payments"
