"""A slow activity is not taken for a dead worker, and what it has said is there for the next attempt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest_asyncio
from temporalio import activity
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from tests.worker.slow_workflow import HEARTBEAT, SlowWorkflow
from workers.deployment.joining import join
from workers.local.binaries import binary
from workers.worker import build

QUEUE, BUILD = "slow", "tests"
LONG = 4 * HEARTBEAT.total_seconds()


@activity.defn
async def silent() -> list[str]:
    await asyncio.sleep(LONG)
    return [str(activity.info().attempt)]


@activity.defn
async def once_said() -> list[str]:
    """Says one thing and fails, then says nothing for long and fails; its third attempt says what it finds."""
    attempt = activity.info().attempt
    if attempt == 1:
        activity.heartbeat("half", "way")
    if attempt < 3:
        await asyncio.sleep(LONG)
        raise RuntimeError("this attempt fails")
    return list(activity.info().heartbeat_details)


@pytest_asyncio.fixture
async def client() -> AsyncGenerator[Client]:
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=binary("temporal")) as environment:
        await join(environment.client, BUILD)
        async with build(environment.client, QUEUE, BUILD, workflows=[SlowWorkflow], activities=[silent, once_said]):
            yield environment.client


async def run(client: Client, name: str) -> list[str]:
    return await client.execute_workflow(SlowWorkflow.run, name, id=name, task_queue=QUEUE)


async def test_an_activity_that_says_nothing_for_longer_than_its_heartbeat_time_out_runs_once(client: Client) -> None:
    assert await run(client, "silent") == ["1"]


async def test_what_an_activity_said_once_outlives_the_heartbeats_after_it(client: Client) -> None:
    assert await run(client, "once_said") == ["half", "way"]
