"""Preventions in the small real world: begun, looked at, and waited for."""

from __future__ import annotations

import asyncio

from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from ulid import ULID

from activities.analytics.store import catalogs, open_store
from models.catalog_file import LoadedCatalog
from models.identity import MEMO, prevention_id
from models.prediction import Risk
from models.prevention import Action, Option, Prevention
from models.prevention_run import PreventionPhase, PreventionResult, PreventionStart, PreventionState
from models.queues import WORKFLOWS
from tests.saga.conftest import Rollbacks
from tests.waiting import until
from tests.world.world import World
from workers.local.world import REGION
from workers.worker import TASK_TIMEOUT
from workflows.prevention import PreventionWorkflow

Running = WorkflowHandle[PreventionWorkflow, PreventionResult]

EVERYTHING = "scale: 2, warm: 20, shift: 30, shed: 1, restart: true, roll_back: true"


def catalog(world: World, level: str, more: str = "dollars_an_hour: 100, actions_a_day: 1000") -> LoadedCatalog:
    """The world's own, and its policy approves every action at this level."""
    breakers = "breakers: {shed: {by: mesh, max_requests: 200}}"
    prevention = f"prevention: {{level: {level}, {EVERYTHING}, {more}}}"
    return world.another_catalog("lease: 5", f"lease: 5\n    {breakers}\n    {prevention}")


async def begin(client: Client, start: PreventionStart) -> bool:
    """As the prediction of the region begins it. Whether it has begun; not where one of the service runs already."""
    try:
        await client.start_workflow(
            PreventionWorkflow.run,
            start,
            id=prevention_id(start.region, start.service),
            task_queue=WORKFLOWS,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            task_timeout=TASK_TIMEOUT,
            memo={MEMO: start.incident},
        )
    except WorkflowAlreadyStartedError:
        return False
    return True


def weighed(action: Action, averted: float = 20, cost: float = 1) -> Option:
    return Option(
        action=action,
        effectiveness=0.5,
        averted=averted,
        cost=cost,
        confidence=0.9,
        cannot=None,
        sentence=f"{action} averts more than it costs",
    )


def risk() -> Risk:
    return Risk(
        service="payments",
        region=REGION,
        probability=0.7,
        loss=None,
        revenue=None,
        revenue_per_minute=None,
        customers=None,
        source=None,
        age=None,
        unknown=("a test",),
        sentence="an incident of payments is likely",
    )


def argument(
    world: World, action: Action, level: str, seconds: float = 2, catalogued: LoadedCatalog | None = None
) -> PreventionStart:
    pinned = catalogued or catalog(world, level)
    option = weighed(action)
    return PreventionStart(
        incident=str(ULID()),
        region=REGION,
        service="payments",
        catalog=pinned.digest,
        policy=pinned.catalog.policy_of("payments"),
        risk=risk(),
        prevention=Prevention(options=(option,), chosen=action, sentence=option.sentence),
        seconds=seconds,
    )


async def start(
    rollbacks: Rollbacks,
    action: Action,
    level: str = "full",
    seconds: float = 2,
    catalogued: LoadedCatalog | None = None,
) -> Running:
    assert await begin(rollbacks.client, argument(rollbacks.world, action, level, seconds, catalogued))
    return rollbacks.client.get_workflow_handle_for(PreventionWorkflow.run, prevention_id(REGION, "payments"))


async def run(client: Client, world: World, action: Action, seconds: float) -> PreventionResult:
    """To its end, by the pools of the world, which find its catalog in the store."""
    pinned = catalog(world, "full")
    store = open_store(world.store)
    await asyncio.to_thread(catalogs.remember, store, pinned.digest, pinned.text)
    store.close()
    assert await begin(client, argument(world, action, "full", seconds, pinned))
    running = client.get_workflow_handle_for(PreventionWorkflow.run, prevention_id(REGION, "payments"))
    return await running.result()


async def state(prevention: Running) -> PreventionState:
    return await prevention.query(PreventionWorkflow.state)


async def until_phase(prevention: Running, phase: PreventionPhase) -> None:
    async def there() -> bool:
        return (await state(prevention)).phase is phase

    await until(there, 40, f"the prevention is {phase}")
