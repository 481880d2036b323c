"""Killed pools: the last one of a region without peers holds its incident by name; one process of two slows nothing."""

from __future__ import annotations

import os
import signal

import pytest

from models.incident import IncidentState
from tests.processes.service import Service, effects
from tests.waiting import until
from workers.local.world import REGION
from workflows.regions import SCHEDULE_TO_START

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

BUSY = 15.0
"""Seconds that a machine which does other things may take on top of a limit."""


async def state(service: Service, incident: str) -> IncidentState:
    """As the gateway's own worker answers: with no pool, nobody records what the incident has come to."""
    workflow = f"incident:{REGION}:payments:full"
    found = await service.temporal.get_workflow_handle(workflow).query("state", result_type=IncidentState)
    assert found.incident == incident
    return found


@pytest.mark.parametrize(
    "point", ["rollback.plan.v1 begins", "mesh.drained.v1 begins"], ids=["before a plan", "between switch and drain"]
)
async def test_an_incident_of_a_region_without_a_pool_holds_within_its_limit_and_goes_on_by_itself(
    service: Service, point: str
) -> None:
    service.points.at(point, lambda _pid: service.world.processes.kill_named("pool"))
    incident = await service.begin()
    await until(lambda: service.points.met, 60, "the pool was killed")

    async def held() -> str | None:
        return (await state(service, incident)).hold

    hold = await until(held, SCHEDULE_TO_START.total_seconds() + BUSY, "the incident holds")
    assert f"no worker pool of {REGION} of build " in hold
    assert f"sternway pool --region {REGION}" in hold

    await service.start_pool()
    ended = await service.resolved(incident)
    assert len(effects(ended)) == len(set(effects(ended))) == 4


async def test_one_process_of_two_that_is_killed_costs_no_hold_and_no_wait_for_a_silent_region(
    service: Service,
) -> None:
    service.points.at("platform.change.v1 ends", lambda pid: os.kill(pid, signal.SIGKILL))
    incident = await service.begin()
    ended = await service.undisturbed(incident)

    assert service.points.met == 1
    assert len(effects(ended)) == len(set(effects(ended))) == 4
    events = await service.events(f"rollback:{incident}:payments")
    timed_out = [event.activity_task_timed_out_event_attributes for event in events]
    assert not [one for one in timed_out if one.scheduled_event_id]
