"""The world of ``bench/rollback.py``: payments and its ledger in two releases each, their users, and rollbacks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from temporalio.client import Client, WorkflowHandle

from activities.catalogs import Catalogs
from activities.directory import Directory
from activities.rollback import selection
from activities.rollback.order import waves
from activities.rollback.state import read_state
from activities.rollback.strategies import immediate, staged
from bench.load import Answer, Load
from bench.plans import Back, plan_of
from models.plan import RollbackPlan, ServiceRollback
from models.queues import WORKFLOWS
from models.rollback import RollbackResult, RollbackStart
from models.scope import Scope
from models.verdict import Verdict
from workers.local.readiness import until
from workers.local.world import TOKEN, UP_WITHIN, SmallWorld
from workers.worker import TASK_TIMEOUT
from workflows.rollback import RollbackWorkflow

STRATEGIES = (*selection.STRATEGIES, staged.NAME)

RATE = 150.0
"""Requests a second to payments, two of three to pay. Canary reverse sees about 700 bad ones before it is sure."""

SLOW = 0.5
"""Seconds from which a request is slow, in the catalog and for the users."""
SLOW_SHARE = 0.05
"""Of the requests, that may be slow."""

CATALOG = """
version: 1
regions:
  eu:
    mesh: {envoy: {kind: envoy, url: "${MESH}", proxies: [envoy-eu]}}
    platform: {local: {kind: local, url: "${AGENT}"}}
    telemetry: {envoy: {kind: envoy, url: "${ENVOY}"}}
defaults: {mesh: envoy, platform: local, telemetry: envoy, policy: measured}
policies:
  measured:
    rollback: {ready_timeout: 20, drain_timeout: 10, soak: 1, soak_extension: 20, min_requests: 20}
services:
  payments:
    tier: 1
    regions: [eu]
    port: ${PAYMENTS}
    depends_on: [ledger]
    slos: {availability: {objective: 99.9}, latency: {objective: 95, threshold_ms: 500}}
  ledger: {tier: 2, regions: [eu], port: "${LEDGER}", slos: {availability: {objective: 99.9}}}
"""

REQUESTS = {
    "payments": (("POST", "/pay"), ("POST", "/pay"), ("GET", "/healthz")),
    "ledger": (("POST", "/record"), ("GET", "/healthz")),
}
"""What the users of each service ask for, in turns. Every payment is an entry in the ledger besides."""

LEDGERS_SHARE = 0.2
"""Of the rate at payments, that the ledger's own users ask at where it goes back too."""

AFTERWARDS = 100
"""Requests to each service that set out after a rollback has ended, and are held against its objectives."""

Handle = WorkflowHandle[RollbackWorkflow, RollbackResult]


class Users:
    """Those of the services that go back, while they ask."""

    def __init__(self, loads: Sequence[Load]) -> None:
        self._loads = loads

    @property
    def answers(self) -> list[Answer]:
        return [answer for load in self._loads for answer in load.answers]

    @property
    def rate(self) -> float:
        """Requests a second to payments that really set out. Of users who have gone."""
        return self._loads[0].rate

    async def meet_trouble(self, requests: int) -> None:
        """Return once so many requests have failed, or were slow."""

        async def met() -> bool:
            return sum(answer.failed or answer.seconds >= SLOW for answer in self.answers) >= requests

        await until(met, UP_WITHIN, f"{requests} requests fail or are slow")

    async def answered_since(self, at: float) -> None:
        """Return once :data:`AFTERWARDS` requests that set out at *at* or later are answered, of each service."""

        async def answered() -> bool:
            return all(sum(answer.at >= at for answer in load.answers) >= AFTERWARDS for load in self._loads)

        await until(answered, UP_WITHIN, f"{AFTERWARDS} requests are answered")


class Rollbacks:
    """Of payments, or of payments and its ledger, in one small world."""

    def __init__(self, world: SmallWorld, client: Client, rate: float) -> None:
        self._world, self._client, self._rate = world, client, rate
        self.directory = Directory(Catalogs(world.catalog, lambda _digest: None), protect="", operate=TOKEN)

    async def begin_with(self, strategy: str, release: str, fault: str = "none") -> None:
        """As long after a deployment: *release* serves alone; v2 of payments is new, and has the fault."""
        for service in services_of(strategy):
            await self._world.serve(service, "v1")
        await self._world.deploy(("payments", "v2"), fault=fault)
        for service in services_of(strategy):
            await self._world.serve(service, release)

    @asynccontextmanager
    async def users(self, strategy: str) -> AsyncGenerator[Users]:
        async with AsyncExitStack() as entered:
            loads: list[Load] = []
            for service in services_of(strategy):
                rate = self._rate if service == "payments" else self._rate * LEDGERS_SHARE
                url = f"http://127.0.0.1:{self._world.port(service)}"
                loads.append(await entered.enter_async_context(Load(url, REQUESTS[service], rate)))
            yield Users(loads)

    async def plan(self, strategy: str, bad: str, target: str, before: Verdict) -> RollbackPlan:
        """*before*: what is known of the health of *bad*."""
        services = services_of(strategy)
        catalog = self._world.catalog.catalog
        graph = {name: service.depends_on for name, service in catalog.services.items()}
        back = [await self._back(strategy, service, bad, target, before) for service in services]
        return plan_of(strategy, back, waves(services, graph))

    async def _back(self, strategy: str, service: str, bad: str, target: str, before: Verdict) -> Back:
        """Each service of a staged rollback goes back by the immediate strategy."""
        own = immediate.NAME if strategy == staged.NAME else strategy
        state = await read_state(self.directory, self.scope().at(service))
        policy = self._world.catalog.catalog.policy_of(service).rollback
        rollback = ServiceRollback(strategy=own, target=target, bad=bad, state=state, policy=policy, before=before)
        return rollback, selection.STRATEGIES[own](state, target, bad, policy)

    async def start(self, plan: RollbackPlan, hold_timeout: float) -> Handle:
        scope = self.scope()
        return await self._client.start_workflow(
            RollbackWorkflow.run,
            RollbackStart(**scope.model_dump(), attempt=1, peers=(), plan=plan, hold_timeout=hold_timeout),
            id=f"rollback:{scope.incident}:payments",
            task_queue=WORKFLOWS,
            task_timeout=TASK_TIMEOUT,
        )

    async def weights(self) -> dict[str, Any]:
        return {release: weight for release, weight in (await self._world.routing()).weights.items() if weight}

    def scope(self) -> Scope:
        """Of a fresh incident."""
        return self._world.scope()


def services_of(strategy: str) -> tuple[str, ...]:
    """Those that go back: of a staged rollback two that were released together."""
    return ("payments", "ledger") if strategy == staged.NAME else ("payments",)
