"""One incident from webhook to recovery, through a gateway and a pool of two processes, watched from outside."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio

from tests.observability.collector import Collector, collecting
from tests.waiting import until
from tests.world.world import World
from workers.local.ports import free_ports
from workers.local.world import TOKEN
from workers.observability.metrics import PORTS

MESSAGE = {
    "version": "4",
    "receiver": "sternway",
    "groupKey": "traced",
    "status": "firing",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "ErrorsHigh", "service": "payments", "severity": "critical"},
            "startsAt": "2026-01-31T12:00:00Z",
            "fingerprint": "f1",
        }
    ],
}


@dataclass
class Played:
    """One incident that has ended, and the spans of it."""

    collector: Collector
    incident: str
    metrics: dict[str, str]
    """What Prometheus would have read at its end: of ``gateway``, ``pool-1`` and ``pool-2``."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def played(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Played]:
    """The gateway and a pool as processes; both are stopped, so that every span has been sent."""
    world = World(tmp_path_factory.mktemp("world"))
    with collecting() as collector:
        (port,) = free_ports(1)
        watched = {"STERNWAY_OTLP_ENDPOINT": collector.url, "STERNWAY_METRICS_PORT": str(port)}
        try:
            await world.start_temporal()
            await world.start()
            await world.serve_v2()
            await world.start_gateway(watched)
            await world.start_pool(processes=2, environment=watched)
            async with world.users():
                incident = await _play(world)
            metrics = await _scrape(world, port)
            for part in ("gateway", "pool"):
                world.processes.stop_named(part)
        finally:
            world.stop()
        yield Played(collector, incident, metrics)


async def _play(world: World) -> str:
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=world.gateway, headers=headers, trust_env=False) as gateway:
        (await gateway.post("/v1/alerts/alertmanager", json=MESSAGE)).raise_for_status()

        async def ended() -> str | None:
            found = (await gateway.get("/v1/incidents")).json()
            return next((row["id"] for row in found if row["ended_at"] and row["phase"] == "resolved"), None)

        return await until(ended, 60, "the incident is resolved")


async def _scrape(world: World, port: int) -> dict[str, str]:
    """Of the pool's two processes one has the port, the other the next free one."""
    metrics: dict[str, str] = {}
    async with httpx.AsyncClient(trust_env=False) as prometheus:
        headers = {"authorization": f"Bearer {TOKEN}"}
        metrics["gateway"] = (await prometheus.get(f"{world.gateway}/metrics", headers=headers)).text
        for candidate in range(port, port + PORTS):
            try:
                answer = await prometheus.get(f"http://127.0.0.1:{candidate}/metrics")
            except httpx.HTTPError:
                continue
            if "sternway_actions_total" in answer.text:
                metrics[f"pool-{len(metrics)}"] = answer.text
    return metrics
