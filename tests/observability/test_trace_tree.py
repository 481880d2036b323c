"""One incident, from webhook to recovery through three processes, is one tree of spans at a real OTLP receiver."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio

from tests.observability.collector import Collector, Span, collecting
from tests.waiting import until
from tests.world.world import World
from workers.local.world import TOKEN

pytestmark = pytest.mark.asyncio(loop_scope="module")

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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Played]:
    """The gateway and a pool as processes; both are stopped, so that every span has been sent."""
    world = World(tmp_path_factory.mktemp("world"))
    with collecting() as collector:
        traced = {"STERNWAY_OTLP_ENDPOINT": collector.url}
        try:
            await world.start_temporal()
            await world.start()
            await world.serve_v2()
            await world.start_gateway(traced)
            world.start_pool(environment=traced)
            async with world.users():
                incident = await _play(world)
            for part in ("gateway", "pool"):
                world.processes.stop_named(part)
        finally:
            world.stop()
        yield Played(collector, incident)


async def _play(world: World) -> str:
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=world.gateway, headers=headers, trust_env=False) as gateway:
        (await gateway.post("/v1/alerts/alertmanager", json=MESSAGE)).raise_for_status()

        async def ended() -> str | None:
            found = (await gateway.get("/v1/incidents")).json()
            return next((row["id"] for row in found if row["ended_at"] and row["phase"] == "resolved"), None)

        return await until(ended, 60, "the incident is resolved")


def tree(played: Played) -> dict[str, Span]:
    """The spans of the webhook's trace, by id."""
    (webhook,) = played.collector.named("alert received")
    return {span.id: span for span in played.collector.spans if span.trace == webhook.trace}


async def test_every_span_hangs_on_the_webhooks(played: Played) -> None:
    spans = tree(played)
    (root,) = [span for span in spans.values() if not span.parent]
    assert "alert" in root.name
    orphans = [span for span in spans.values() if span.parent and span.parent not in spans]
    assert orphans == []


async def test_the_incident_and_all_that_it_does_are_in_that_tree(played: Played) -> None:
    names = {span.name for span in tree(played).values()}
    assert {"StartWorkflow:Incident", "RunWorkflow:Incident", "RunWorkflow:Rollback"} <= names
    activities = {
        "breaker.protect.v1",
        "analytics.observe.v1",
        "rollback.plan.v1",
        "platform.change.v1",
        "mesh.change.v1",
        "analytics.soak.v1",
        "rollback.readback.v1",
        "breaker.release.v1",
        "analytics.record.v1",
    }
    assert {f"RunActivity:{name}" for name in activities} <= names


async def test_no_activity_of_the_incident_is_in_another_tree(played: Played) -> None:
    ids = tree(played).keys()
    stray = [s.name for s in played.collector.spans if s.name.startswith("RunActivity:") and s.id not in ids]
    assert stray == []


async def test_the_tree_spans_gateway_and_pool(played: Played) -> None:
    spans = tree(played).values()
    assert {"sternway-gateway", "sternway-pool-eu"} == {span.process for span in spans}
    (protected,) = [span for span in spans if span.name == "RunActivity:breaker.protect.v1"]
    assert protected.process == "sternway-gateway"
