"""The whole stack: incidents survive the death of its parts, and applications can start them themselves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sternway_guard.incidents import IncidentClient

from tests.stack.conftest import Running
from workers.local.demo.stack import REGIONS

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

STEPS = {f"payments.{step}" for step in ("scale-target", "switch", "drain", "retire")}


def effects(incident: dict[str, Any]) -> list[str]:
    """The keys under which the incident's changes are recorded, each as often as it is."""
    return [receipt["key"] for step in incident["steps"] for receipt in step["receipts"]]


async def test_killed_pools_resume_and_end_recovered_with_each_effect_once(running: Running) -> None:
    incident = await running.alert("eu")
    await running.until_step(incident, "payments.scale-target")
    for region in REGIONS:
        running.stack.kill(f"pool-{region}")
    for region in REGIONS:
        running.stack.start_pool(region)

    ended = await running.until_phase(incident, "resolved", "held", "aborted")

    assert ended["phase"] == "resolved", ended["detail"]
    assert await running.fleet.weights("eu", "payments") == {"v1": 100, "v2": 0}
    assert {step["record"]["step"] for step in ended["steps"]} >= STEPS
    assert len(effects(ended)) == len(set(effects(ended))) == len(STEPS)


async def test_a_killed_gateway_loses_no_incident(running: Running) -> None:
    incident = await running.alert("eu")
    await running.until_step(incident, "protect")
    running.stack.kill("gateway")
    await running.stack.start_gateway()

    ended = await running.until_phase(incident, "resolved", "held", "aborted")

    assert ended["phase"] == "resolved", ended["detail"]


async def test_an_application_starts_an_incident_that_only_advises(running: Running) -> None:
    before = await running.fleet.weights("us", "payments")
    client = IncidentClient(running.stack.gateway, running.stack.tokens.gateway)

    started = await asyncio.to_thread(
        client.start, service="payments", region="us", reason="checkout fails", level="advise"
    )
    assert started.incident is not None
    ended = await running.until_phase(started.incident, "advised", "held", "aborted", "resolved")

    assert ended["phase"] == "advised", ended["detail"]
    assert ended["steps"] == []
    assert (await asyncio.to_thread(client.get, started.incident))["phase"] == "advised"
    assert await running.fleet.weights("us", "payments") == before
