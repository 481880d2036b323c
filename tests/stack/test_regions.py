"""All pools of a region dead: a peer finishes its incidents, and those of the other region wait for nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType, TimeoutType
from temporalio.client import Client

from tests.stack.conftest import Running

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

SLOWER = 3.0
"""Times that an incident may take as long while the other region is lost and its incident is worked on here as well:
two incidents then share what one had. Waiting for the dead region even once would make it seconds longer."""


@dataclass(frozen=True)
class Course:
    """How an incident went, by the histories of it and of its rollback."""

    seconds: float
    """From the alert's receipt to its end."""
    queues: frozenset[str]
    """Where its activities were taken."""
    silent: tuple[str, ...]
    """Where they were offered in vain, each time."""


async def course(running: Running, incident: dict[str, Any]) -> Course:
    temporal = await Client.connect(f"127.0.0.1:{running.stack.ports.temporal}")
    queues: list[str] = []
    silent: list[str] = []
    times: list[float] = []
    for workflow in (incident["workflow"], f"rollback:{incident['id']}:{incident['service']}"):
        offered: dict[int, str] = {}
        async for event in temporal.get_workflow_handle(workflow).fetch_history_events():
            times.append(event.event_time.ToNanoseconds() / 1e9)
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                offered[event.event_id] = event.activity_task_scheduled_event_attributes.task_queue.name
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                queues.append(offered[event.activity_task_started_event_attributes.scheduled_event_id])
            timed_out = event.activity_task_timed_out_event_attributes
            if timed_out.failure.timeout_failure_info.timeout_type == TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START:
                silent.append(offered[timed_out.scheduled_event_id])
    return Course(max(times) - min(times), frozenset(queues), tuple(silent))


async def recovered(running: Running, incident: str) -> Course:
    ended = await running.until_phase(incident, "resolved", "held", "aborted", seconds=150)
    assert ended["phase"] == "resolved", ended["detail"]
    assert await running.fleet.weights(ended["region"], "payments") == {"v1": 100, "v2": 0}
    return await course(running, ended)


async def test_with_all_pools_of_us_dead_an_incident_of_eu_is_not_slowed_and_one_of_us_is_finished_by_eu(
    running: Running,
) -> None:
    alone = await recovered(running, await running.alert("eu"))
    await running.fleet.deploy("payments", "v1", before="v2")
    await running.fleet.deploy("payments", "v2", before="v1")

    running.stack.kill("pool-us")
    try:
        incidents = [await running.alert("us"), await running.alert("eu")]
        us, eu = await asyncio.gather(*(recovered(running, incident) for incident in incidents))
    finally:
        running.stack.start_pool("us")

    assert (alone.queues, alone.silent) == ({"sternway.eu"}, ())
    assert (eu.queues, eu.silent) == ({"sternway.eu"}, ())
    assert eu.seconds < SLOWER * alone.seconds
    assert (us.queues, set(us.silent)) == ({"sternway.eu"}, {"sternway.us"})


async def test_a_region_that_dies_between_two_changes_is_finished_by_its_peer_with_each_effect_once(
    running: Running,
) -> None:
    incident = await running.alert("us")
    await running.until_step(incident, "payments.switch")
    running.stack.kill("pool-us")
    try:
        us = await recovered(running, incident)
    finally:
        running.stack.start_pool("us")

    assert us.queues == {"sternway.us", "sternway.eu"}
    steps = (await running.incident(incident))["steps"]
    keys = [receipt["key"] for step in steps for receipt in step["receipts"]]
    assert len(keys) == len(set(keys)) == 4
