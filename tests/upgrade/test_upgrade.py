"""An upgrade with real processes: two builds side by side, each incident ends on the one that it began on."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from temporalio.client import Client

from tests.waiting import until
from tests.world.world import World
from workers.local.world import REGION, TOKEN

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

SOON_FORGOTTEN = ("matching.PollerHistoryTTL", "3s"), ("matching.longPollExpirationInterval", "1s")
"""Temporal counts a process for five minutes after it has last polled, and lets a poll wait for one."""

POLLING = '"event": "polling"'


class Deployment:
    """The small world with processes of builds ``A`` and ``B``, and the commands of its operator."""

    def __init__(self, world: World, temporal: Client, gateway: httpx.AsyncClient) -> None:
        self.world, self.temporal, self.gateway = world, temporal, gateway

    async def start_gateway(self, build: str) -> None:
        self.world.processes.stop_named("gateway")
        await self.world.start_gateway({"STERNWAY_BUILD_ID": build})

    async def start_pool(self, build: str) -> None:
        name = f"pool-{build}"
        environment = {"STERNWAY_BUILD_ID": build}
        log = self.world.processes.log(name)
        before = log.read_text().count(POLLING) if log.exists() else 0
        self.world.start_part(name, "pool", "--region", REGION, "--processes", "1", environment=environment)
        await until(lambda: log.read_text().count(POLLING) > before, 30, f"{name} polls")

    async def upgrade(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "workers.cli", "upgrade", *words]
        return await asyncio.to_thread(
            subprocess.run, command, env=self.world.environment, capture_output=True, text=True, timeout=100
        )

    async def status(self) -> dict[str, Any]:
        """The builds by name."""
        done = await self.upgrade("status", "--json")
        assert done.returncode == 0, done.stderr
        return {build["build"]: build for build in json.loads(done.stdout)["builds"]}

    async def begin(self, level: str, severity: str = "critical") -> str:
        body = {"service": "payments", "region": REGION, "reason": "a test", "level": level, "severity": severity}
        answer = (await self.gateway.post("/v1/incidents", json=body)).raise_for_status().json()
        return answer["incident"]

    async def incident(self, id: str) -> dict[str, Any]:
        return (await self.gateway.get(f"/v1/incidents/{id}")).raise_for_status().json()

    async def until_phase(self, id: str, phase: str) -> None:
        async def there() -> bool:
            return (await self.incident(id))["phase"] == phase

        await until(there, 60, f"the incident is {phase}")

    async def until_step(self, id: str, step: str) -> None:
        async def done() -> bool:
            records = [one["record"] for one in (await self.incident(id))["steps"]]
            return any(record["step"] == step and record["status"] == "done" for record in records)

        await until(done, 60, f"step {step} is done")

    async def builds_of(self, incident: str) -> dict[str, str]:
        """Of the incident and its rollback: the build that it is pinned to, by the kind of workflow."""
        workflow = (await self.incident(incident))["workflow"]
        ids = (workflow, f"rollback:{incident}:payments")
        found = [one async for one in self.temporal.list_workflows(" OR ".join(f"WorkflowId = '{id}'" for id in ids))]
        return {one.workflow_type: str(one.search_attributes["TemporalWorkerDeploymentVersion"][0]) for one in found}


@pytest_asyncio.fixture(loop_scope="session")
async def deployment(tmp_path: Path) -> AsyncGenerator[Deployment]:
    """Build A in service, payments on v2, with users."""
    world = World(tmp_path)
    try:
        await world.start_temporal(
            *(part for name, value in SOON_FORGOTTEN for part in ("--dynamic-config-value", f'{name}="{value}"'))
        )
        await world.start()
        await world.serve_v2()
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with (
            httpx.AsyncClient(base_url=world.gateway, headers=headers, trust_env=False, timeout=20) as gateway,
            world.users(),
        ):
            found = Deployment(world, await Client.connect(world.temporal), gateway)
            await found.start_gateway("A")
            await found.start_pool("A")
            yield found
    finally:
        world.stop()


async def test_an_incident_ends_on_its_build_while_the_next_one_begins_on_the_new_build(
    deployment: Deployment,
) -> None:
    old = await deployment.begin("protect")
    await deployment.until_phase(old, "awaiting-approval")

    await deployment.start_gateway("B")
    refused = await deployment.upgrade("apply", "--build", "B")
    assert (refused.returncode, "sternway.eu" in refused.stderr) == (1, True), refused.stderr
    assert (await deployment.status())["A"]["current"]

    await deployment.start_pool("B")
    applied = await deployment.upgrade("apply", "--wait", "30")
    assert applied.returncode == 0, applied.stderr
    assert "build B" in applied.stdout

    new = await deployment.begin("advise")
    await deployment.until_phase(new, "advised")
    assert await deployment.builds_of(new) == {"Incident": "sternway:B"}

    approved = await deployment.gateway.post(f"/v1/incidents/{old}/approve", json={"by": "a test", "reason": ""})
    approved.raise_for_status()
    await deployment.until_phase(old, "resolved")
    assert await deployment.builds_of(old) == {"Incident": "sternway:A", "Rollback": "sternway:A"}
    assert await deployment.world.serves("v1")


async def test_a_build_is_kept_while_its_incident_runs_and_waits_for_processes_that_were_killed(
    deployment: Deployment,
) -> None:
    old = await deployment.begin("full")
    await deployment.start_pool("B")
    await deployment.until_step(old, "payments.scale-target")
    deployment.world.processes.kill_named("pool-A")
    applied = await deployment.upgrade("apply", "--build", "B", "--wait", "30")
    assert applied.returncode == 0, applied.stderr
    await deployment.start_gateway("B")

    async def alone() -> bool:
        return not any((await deployment.status())["A"]["polled"].values())

    await until(alone, 30, "nobody polls for build A")
    workflow = (await deployment.incident(old))["workflow"]
    assert workflow in [running["workflow"] for running in (await deployment.status())["A"]["running"]]
    said = (await deployment.upgrade("status")).stdout
    assert "nobody runs build A" in said
    refused = await deployment.upgrade("remove", "A")
    assert (refused.returncode, workflow in refused.stderr) == (1, True), refused.stderr

    await deployment.start_pool("A")
    await deployment.until_phase(old, "resolved")
    assert await deployment.builds_of(old) == {"Incident": "sternway:A", "Rollback": "sternway:A"}

    polled = await deployment.upgrade("remove", "A")
    assert (polled.returncode, "active pollers" in polled.stderr) == (1, True), polled.stderr
    deployment.world.processes.stop_named("pool-A")
    removed = await deployment.upgrade("remove", "A", "--wait", "60")
    assert removed.returncode == 0, removed.stderr
    assert [*await deployment.status()] == ["B"]


@pytest.mark.parametrize(("level", "phase"), [("protect", "awaiting-approval"), ("advise", "advised")])
async def test_what_begins_after_an_upgrade_in_place_needs_no_build_that_is_gone(
    deployment: Deployment, level: str, phase: str
) -> None:
    """However little urgent it is: before `apply` as well, while the build of before is the current one."""
    deployment.world.processes.stop_named("pool-A")
    await deployment.start_gateway("B")
    await deployment.start_pool("B")
    assert (await deployment.status())["A"]["current"]
    begun = await deployment.begin(level, "warning")
    await deployment.until_phase(begun, phase)
    assert await deployment.builds_of(begun) == {"Incident": "sternway:B"}
    applied = await deployment.upgrade("apply", "--wait", "30")
    assert applied.returncode == 0, applied.stderr


async def test_the_current_build_is_not_removed_and_one_that_never_ran_is_not_applied(deployment: Deployment) -> None:
    removed = await deployment.upgrade("remove", "A")
    assert (removed.returncode, "is the current one" in removed.stderr) == (1, True), removed.stderr
    applied = await deployment.upgrade("apply", "--build", "C")
    assert (applied.returncode, "there is no build C" in applied.stderr) == (1, True), applied.stderr
    left_out = await deployment.upgrade("apply", "--without", "mars")
    assert (left_out.returncode, "no region 'mars'" in left_out.stderr) == (2, True), left_out.stderr
