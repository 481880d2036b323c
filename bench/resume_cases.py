"""What is killed when, by ``bench/resume.py``: real rollbacks and real incidents, one after the other."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from typing import Any, ClassVar

import httpx
from temporalio.client import Client, WorkflowHandle

from activities.catalogs import Catalogs
from activities.directory import Directory
from activities.mesh.contract import CHANGE
from activities.rollback.state import read_state
from bench.bare_pool import BarePool
from bench.killing import PATIENCE, Killed, at_rest, holder, in_activity, in_task, kill, scheduled
from bench.plans import plan_of
from models.plan import RollbackPlan, ServiceRollback
from models.queues import WORKFLOWS
from models.rollback import Control, RollbackResult, RollbackStart
from models.stage import Route, Routed, Stage, StageStep
from models.verdict import Finding, Verdict
from workers.local.readiness import until
from workers.local.world import REGION, TOKEN, UP_WITHIN, SmallWorld
from workers.worker import TASK_TIMEOUT
from workflows.rollback import RollbackWorkflow

STAGES = 8
"""Of a rollback: one is stopped between two of them."""
HEARTBEAT_PHASE = 0.5
"""Seconds: kills are spread over the time between two heartbeats."""
IN_HAND = 0.1
"""Seconds for which a first action has been waiting for its control plane when its gateway is killed."""

Rollback = WorkflowHandle[RollbackWorkflow, RollbackResult]


class Case(ABC):
    """One kind of kill; *until* says where the time ends."""

    name: ClassVar[str]
    until: ClassVar[str]
    limit: ClassVar[float]
    """Seconds."""

    def __init__(self, world: SmallWorld, client: Client, bare: BarePool) -> None:
        self._world, self._client, self._bare = world, client, bare
        self.seconds: list[float] = []
        self.floors: list[float] = []
        self.extras: dict[str, Callable[[], Awaitable[float]]] = {}
        """The same with another kill, told besides."""
        self.extra_seconds: dict[str, list[float]] = {}

    async def prepare(self) -> None:
        """Before the first sample. Most need nothing."""
        return

    @abstractmethod
    async def sample(self) -> float:
        """Seconds from one kill to *until*."""

    @abstractmethod
    async def floor(self) -> float:
        """The same of a bare worker."""

    @contextmanager
    def _frozen_mesh(self) -> Any:
        """Calls of the control plane hang until the end of this."""
        mesh = self._world.processes.pid("mesh")
        os.kill(mesh, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(mesh, signal.SIGCONT)


class _OfThePool(Case):
    """A rollback whose stages do nothing but route, so that it is soon between two of them."""

    _replaced = 0

    async def _between_stages(self) -> Rollback:
        """A rollback that a person has paused: some of its steps are done, and the next one is not begun."""
        scope = self._world.scope()
        rollback = await self._client.start_workflow(
            RollbackWorkflow.run,
            RollbackStart(
                **scope.model_dump(),
                attempt=1,
                peers=(),
                plan=await self._plan(),
                hold_timeout=5,
            ),
            id=f"rollback:{scope.incident}:payments",
            task_queue=WORKFLOWS,
            task_timeout=TASK_TIMEOUT,
        )

        async def under_way() -> bool:
            return await scheduled(rollback, CHANGE.name) > 0

        await until(under_way, PATIENCE, "the first step is under way")
        await rollback.signal(RollbackWorkflow.control, Control(action="pause", by="bench", reason=""))
        await at_rest(rollback)
        assert await scheduled(rollback, CHANGE.name) < STAGES, "it was over before it was paused"
        return rollback

    async def _plan(self) -> RollbackPlan:
        directory = Directory(Catalogs(self._world.catalog, lambda _digest: None), protect="", operate="")
        state = await read_state(directory, self._world.scope())
        policy = self._world.catalog.catalog.policy_of("payments").rollback
        payments = ServiceRollback(
            strategy="immediate",
            target="v1",
            bad="v2",
            state=state.model_copy(update={"deployments": ()}),
            policy=policy,
            before=Verdict(finding=Finding.PASS, sentence="it is healthy"),
        )
        stages = tuple(_stage(number) for number in range(STAGES))
        return plan_of(payments.strategy, [(payments, stages)], [["payments"]])

    async def _resume(self, rollback: Rollback) -> None:
        await rollback.signal(RollbackWorkflow.control, Control(action="resume", by="bench", reason=""))

    async def _went_on(self, rollback: Rollback, killed: Killed) -> float:
        result = await rollback.result()
        assert result.outcome == "done", result.sentence
        self._replaced += 1
        await self._pool_polls(2 + self._replaced)
        return await killed.until_activity(rollback, CHANGE.name)

    async def _pool_polls(self, times: int) -> None:
        log = self._world.processes.log("pool")

        async def polling() -> bool:
            return log.read_text().count('"event": "polling"') >= times

        await until(polling, UP_WITHIN, "both processes of the pool poll")


class PoolBetweenSteps(_OfThePool):
    name = "between"
    until = "the start of the next step's activity; the rollback waited between two stages and was resumed at the kill"
    limit = 2.5

    def __init__(self, world: SmallWorld, client: Client, bare: BarePool) -> None:
        super().__init__(world, client, bare)
        self.extras = {
            "with a workflow task in the killed process's hands": self._in_a_task,
            "with the whole pool killed and started again at once": self._whole_pool,
        }

    async def sample(self) -> float:
        rollback = await self._between_stages()
        killed = kill(await holder(rollback))
        await self._resume(rollback)
        return await self._went_on(rollback, killed)

    async def floor(self) -> float:
        return await self._bare.between()

    async def _in_a_task(self) -> float:
        rollback = await self._between_stages()
        pid = await holder(rollback)
        os.kill(pid, signal.SIGSTOP)
        await self._resume(rollback)
        assert await in_task(rollback) == pid
        return await self._went_on(rollback, kill(pid))

    async def _whole_pool(self) -> float:
        rollback = await self._between_stages()
        killed = Killed(time.time())
        self._world.processes.kill_named("pool")
        self._world.processes.log("pool").unlink()
        self._replaced = -1  # counted up when it went on
        await asyncio.gather(self._world.start_pool(2), self._resume(rollback))
        return await self._went_on(rollback, killed)


class PoolInsideChange(_OfThePool):
    name = "inside"
    until = "the start of the next attempt; the change waited for a control plane that did not answer"
    limit = 5.0

    async def sample(self) -> float:
        rollback = await self._between_stages()
        with self._frozen_mesh():
            await self._resume(rollback)
            pid = await in_activity(rollback, CHANGE.name)
            await asyncio.sleep(random.uniform(0, HEARTBEAT_PHASE))
            killed = kill(pid)
        return await self._went_on(rollback, killed)

    async def floor(self) -> float:
        return await self._bare.inside()


class GatewayInProtection(Case):
    name = "gateway"
    until = "the protection in the incident's history, by a process of the pool; before, its control plane was silent"
    limit = 2.5

    async def prepare(self) -> None:
        self._http = httpx.AsyncClient(trust_env=False, headers={"authorization": f"Bearer {TOKEN}"}, timeout=10)
        await self._world.start_gateway()

    async def sample(self) -> float:
        with self._frozen_mesh():
            report = {"service": "payments", "region": REGION, "reason": "it is measured"}
            answer = await self._http.post(f"{self._world.gateway}/v1/incidents", json=report)
            assert answer.status_code == 202, answer.text
            incident = self._client.get_workflow_handle(answer.json()["workflow"])
            gateway = self._world.processes.pid("gateway")
            assert await in_task(incident) == gateway, "the incident did not begin in the gateway"
            await asyncio.sleep(IN_HAND)
            killed = kill(gateway)
        self._world.processes.kill_named("gateway")
        seconds = await killed.until_marker(incident)
        await self._take_back(incident)
        await self._world.start_gateway()
        return seconds

    async def floor(self) -> float:
        return await self._bare.local()

    async def _take_back(self, incident: WorkflowHandle[Any, Any]) -> None:
        await incident.terminate("the sample is taken")
        leases = (await self._http.get(f"{self._world.urls['MESH']}/v1/status")).json()["leases"]
        assert len(leases) == 1, f"one incident took {len(leases)} leases"
        (await self._http.delete(f"{self._world.urls['MESH']}/v1/leases/{leases[0]['id']}")).raise_for_status()


def _stage(number: int) -> Stage:
    weights = {"v1": 10 * number + 10, "v2": 90 - 10 * number}
    name, title = f"route-{number}", f"route {weights}"
    check = Routed(weights=weights, timeout=10)
    step = StageStep(id=name, title=title, operation=Route(weights=weights), check=check)
    return Stage(name=name, title=title, steps=(step,))
