"""One real world and one Temporal server for all saga tests; a worker in this process runs the real activities."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.analytics.store import Store, migrate, open_store
from activities.mesh import contract as mesh
from activities.platform import contract as platform
from activities.rollback.plan import make_plan
from activities.rollback.situation import situation
from activities.rollback.state import read_state
from models.assessment import Assessment
from models.catalog import Catalog, RollbackPolicy
from models.observation import Observation
from models.plan import RollbackPlan
from models.queues import WORKFLOWS as NEUTRAL
from models.queues import regional
from models.rollback import RollbackResult, RollbackStart
from models.said import Said
from models.telemetry import Window
from models.verdict import Finding, Verdict
from tests.world.world import World
from workers.conversion import data_converter
from workers.deployment.joining import join
from workers.local.binaries import binary
from workers.local.temporal import DYNAMIC_CONFIG
from workers.local.world import REGION
from workers.registry import WORKFLOWS, local_activities, regional_activities
from workers.worker import TASK_TIMEOUT, build
from workflows.rollback import RollbackWorkflow
from workflows.search import SEARCH_ATTRIBUTES

BUILD = "tests"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_world(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    world = World(tmp_path_factory.mktemp("world"))
    try:
        await world.start()
        yield world
    finally:
        world.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def world(shared_world: World) -> AsyncGenerator[World]:
    """As after the deployment of v2, which is healthy; with users."""
    shared_world.mishaps.pending.clear()
    shared_world.users_are_away = False
    await shared_world.serve_v2()
    async with shared_world.users():
        yield shared_world
    shared_world.mishaps.pending.clear()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal_client() -> AsyncGenerator[Client]:
    extra = [part for name, value in DYNAMIC_CONFIG.items() for part in ("--dynamic-config-value", f"{name}={value}")]
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=binary("temporal"),
        dev_server_extra_args=extra,
        data_converter=data_converter,
        search_attributes=SEARCH_ATTRIBUTES,
    ) as environment:
        await join(environment.client, BUILD)
        yield environment.client


@pytest_asyncio.fixture(loop_scope="session")
async def rollbacks(
    world: World, temporal_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Rollbacks]:
    """Rollbacks that run in this process. Driver calls time out after a second, twice: silence is found soon."""
    for module in (mesh, platform):
        short = replace(module.CHANGE, timeout=timedelta(seconds=1), attempts=2)
        monkeypatch.setattr(module, "CHANGE", short)
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(store)
    neutral = build(
        temporal_client,
        NEUTRAL,
        BUILD,
        workflows=WORKFLOWS,
        activities=local_activities(world.directory, temporal_client),
        remote_activities=False,
    )
    found = Rollbacks(world, temporal_client, store)
    async with neutral:
        found.start_pool()
        yield found
        await found.stop_pool()


HEALTHY = Verdict(finding=Finding.PASS, sentence="v2 was healthy")
UNHEALTHY = Verdict(finding=Finding.FAIL, sentence="v2 failed 60% of its requests")


def with_policy(catalog: Catalog, rules: RollbackPolicy) -> Catalog:
    """*catalog*, with *rules* for every policy's rollbacks."""
    policies = {name: policy.model_copy(update={"rollback": rules}) for name, policy in catalog.policies.items()}
    return catalog.model_copy(update={"policies": policies})


@dataclass
class Rollbacks:
    world: World
    client: Client
    store: Store
    _pool: tuple[Worker, asyncio.Task[None]] | None = None

    def start_pool(self, region: str = REGION) -> None:
        """A pool of *region*, whose drivers are those of the world's only one."""
        activities = regional_activities(self.world.directory, self.store, self.client)
        worker = build(self.client, regional(region), BUILD, activities=activities)
        self._pool = worker, asyncio.create_task(worker.run())

    async def stop_pool(self) -> None:
        if self._pool:
            worker, running = self._pool
            self._pool = None
            await worker.shutdown()
            await running

    async def offered(self, rollback: WorkflowHandle[Any, Any], activity: str, times: int) -> bool:
        """Whether *activity* has been scheduled so often; never, while the rollback has not yet begun."""
        try:
            events = (await rollback.fetch_history()).events
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        names = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events]
        return names.count(activity) >= times

    async def finished(self, rollback: WorkflowHandle[Any, Any], activity: str) -> bool:
        """Whether *activity* has come to its end."""
        events = (await rollback.fetch_history()).events
        named = {
            event.event_id
            for event in events
            if event.activity_task_scheduled_event_attributes.activity_type.name == activity
        }
        return any(event.activity_task_completed_event_attributes.scheduled_event_id in named for event in events)

    async def plan(self, before: Verdict = HEALTHY, priority: int = 0, **policy: object) -> RollbackPlan:
        """*before*: health of the release that is rolled away from. *policy*: what is not as in the catalog."""
        state = await read_state(self.world.directory, self.world.scope())
        rules = self.world.catalog.catalog.policy_of("payments").rollback.model_copy(update=policy)
        window = Window(service="payments", region=REGION, seconds=1, arms={})
        assessment = Assessment(observation=Observation(window=window, verdicts={"v2": before}))
        now = datetime.now(UTC)
        found = situation("payments", [state], assessment, Said(began_at=now), now)
        chosen = make_plan("unused", with_policy(self.world.catalog.catalog, rules), found, protected=False)
        assert chosen.rollback is not None, chosen.hold
        return chosen.rollback.model_copy(update={"priority": priority})

    async def start(
        self, plan: RollbackPlan, hold_timeout: float = 60, peers: tuple[str, ...] = (), approval_timeout: float = 60
    ) -> WorkflowHandle[RollbackWorkflow, RollbackResult]:
        scope = self.world.scope()
        return await self.client.start_workflow(
            RollbackWorkflow.run,
            RollbackStart(
                **scope.model_dump(),
                attempt=1,
                peers=peers,
                plan=plan,
                hold_timeout=hold_timeout,
                approval_timeout=approval_timeout,
            ),
            id=f"rollback:{scope.incident}:payments",
            task_queue=NEUTRAL,
            task_timeout=TASK_TIMEOUT,
        )
