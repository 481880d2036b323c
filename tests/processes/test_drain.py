"""Told to stop, a process finishes or hands over what it has in hand: no step is cut, none is done twice."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tests.processes.service import Service, attempts, effects, failed_tasks
from tests.waiting import until
from workers.local.ports import free_ports

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

CHANGES = ("platform.change.v1", "mesh.change.v1")
GATES = ("platform.ready.v1", "mesh.routed.v1", "mesh.drained.v1", "analytics.soak.v1")

FINISHED_WITHIN = 40.0
"""Seconds from SIGTERM to the end of a process that has a change in hand: its grace, and some for a busy machine."""


@pytest.mark.parametrize("activity", [*CHANGES, *GATES])
async def test_a_pools_process_that_is_stopped_in_the_middle_costs_no_hold_and_no_step_twice(
    service: Service, activity: str
) -> None:
    died = len(service.said("pool", "a process of the pool died"))
    point = f"{activity} {'ends' if activity in CHANGES else 'begins'}"
    service.points.at(point, lambda pid: os.kill(pid, signal.SIGTERM))
    incident = await service.begin()
    ended = await service.undisturbed(incident)

    assert service.points.met == 1
    await until(
        lambda: [line["status"] for line in service.said("pool", "a process of the pool died")][died:] == [0],
        FINISHED_WITHIN,
        "the process that was stopped has ended, with status 0",
    )
    events = await service.events(f"rollback:{incident}:payments")
    assert failed_tasks(events) == []
    assert all(attempts(events, change) and set(attempts(events, change)) == {1} for change in CHANGES)
    assert len(effects(ended)) == len(set(effects(ended))) == 4
    assert service.world.failures == []


async def test_a_pool_that_is_told_to_stop_three_times_finishes_its_change_and_starts_nothing_anew(
    service: Service,
) -> None:
    service.world.processes.stop_named("pool")
    before = len(service.said("pool", "polling"))
    pool = await service.pool_apart()

    def stop(_process: int) -> None:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            pool.send_signal(number)

    try:
        await until(lambda: len(service.said("pool", "polling")) == before + 2, 40, "the pool polls")
        service.points.at("mesh.change.v1 ends", stop)
        incident = await service.begin()
        await until(lambda: service.points.met, 40, "the pool was told to stop")
        status = await asyncio.wait_for(pool.wait(), FINISHED_WITHIN)
    finally:
        if pool.returncode is None:
            pool.kill()
    assert status == 0
    assert len(service.said("pool", "polling")) == before + 2

    await service.start_pool()
    ended = await service.resolved(incident)
    events = await service.events(f"rollback:{incident}:payments")
    assert failed_tasks(events) == []
    assert set(attempts(events, "mesh.change.v1")) == {1}
    assert len(effects(ended)) == len(set(effects(ended))) == 4


async def test_a_gateway_that_is_stopped_in_the_middle_of_a_start_does_not_cut_the_first_action(
    service: Service,
) -> None:
    service.points.at("breaker.protect.v1 begins", lambda pid: os.kill(pid, signal.SIGTERM))
    incident = await service.begin()
    await until(lambda: service.said("gateway", "gateway stops"), 20, "the gateway stops")
    service.world.processes.stop_named("gateway")
    leases = [lease.id for lease in await service.world.leases("payments")]

    await service.world.start_gateway(service.environment)
    ended = await service.resolved(incident)
    assert leases == [f"{incident}-protect"]
    assert failed_tasks(await service.events(ended["workflow"])) == []


async def test_a_pool_that_still_waits_for_temporal_stops_at_once(service: Service) -> None:
    (nobody,) = free_ports(1)
    before = len(service.said("pool", "temporal away"))
    pool = await service.pool_apart(STERNWAY_TEMPORAL_ADDRESS=f"127.0.0.1:{nobody}")
    try:
        await until(lambda: len(service.said("pool", "temporal away")) == before + 2, 40, "the pool waits for Temporal")
        pool.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(pool.wait(), FINISHED_WITHIN) == 0
    finally:
        if pool.returncode is None:
            pool.kill()
