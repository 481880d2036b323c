"""The switch itself: a healthy release is rolled back to the one before it, and forth again, and no request may fail.

Everything is real: platform agent, mesh control plane, Envoy, replicas, Temporal, and a pool as a process of its own.
Both ways are Rollback workflows with the immediate strategy: capacity, weights, drain, soak and retirement included.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.analytics.store import Store, migrate, open_store
from activities.analytics.store.journal import events
from activities.catalogs import Catalogs
from activities.directory import Directory
from activities.rollback.state import read_state
from activities.rollback.strategies import immediate
from bench.load import Load
from bench.plans import plan_of
from bench.result import Benchmark, Outcome, Progress, at_least, at_most, median
from models.plan import RollbackPlan, ServiceRollback
from models.queues import WORKFLOWS
from models.rollback import RollbackResult, RollbackStart
from models.verdict import Finding, Verdict
from workers.local.world import SmallWorld
from workers.worker import TASK_TIMEOUT

LEAST_RATE = 100.0
"""Requests a second that were asked for; a little more is sent, so that a late tick does not fall below."""

CATALOG = """
version: 1
regions:
  eu:
    mesh: {envoy: {kind: envoy, url: "${MESH}", proxies: [envoy-eu]}}
    platform: {local: {kind: local, url: "${AGENT}"}}
    telemetry: {envoy: {kind: envoy, url: "${ENVOY}"}}
defaults: {mesh: envoy, platform: local, telemetry: envoy}
policies:
  switch:
    rollback: {ready_timeout: 20, drain_timeout: 10, soak: 0.5, soak_extension: 5, min_requests: 20}
services:
  payments:
    tier: 1
    regions: [eu]
    port: ${PAYMENTS}
    depends_on: [ledger]
    slos: {availability: {objective: 99.9}, latency: {objective: 50, threshold_ms: 1000}}
    policy: switch
  ledger: {tier: 2, regions: [eu], port: "${LEDGER}", slos: {availability: {objective: 99.9}}}
"""


class Switching:
    """Rollbacks of payments in one small world."""

    def __init__(self, world: SmallWorld, client: Client, store: Store) -> None:
        self._world, self._client, self._store = world, client, store
        self.seconds: list[float] = []
        self.stages: dict[str, list[float]] = {}
        self.unfinished: list[str] = []

    async def roll_back(self, target: str) -> None:
        """One Rollback workflow to *target*, which is the release that does not serve now."""
        plan = await self._plan(target)
        scope = self._world.scope()
        began = time.monotonic()
        result: RollbackResult = await self._client.execute_workflow(
            "Rollback",
            RollbackStart(
                **scope.model_dump(),
                attempt=1,
                peers=(),
                plan=plan,
                hold_timeout=5,
            ),
            id=f"rollback:{scope.incident}:payments",
            task_queue=WORKFLOWS,
            task_timeout=TASK_TIMEOUT,
            result_type=RollbackResult,
        )
        self.seconds.append(time.monotonic() - began)
        if result.outcome != "done":
            self.unfinished.append(result.sentence)
        self._note_stages(scope.incident, plan)

    async def _plan(self, target: str) -> RollbackPlan:
        directory = Directory(Catalogs(self._world.catalog, lambda _digest: None), protect="", operate="")
        state = await read_state(directory, self._world.scope())
        policy = self._world.catalog.catalog.policy_of("payments").rollback
        payments = ServiceRollback(
            strategy=immediate.NAME,
            target=target,
            bad=next(release for release, weight in state.weights.items() if weight),
            state=state,
            policy=policy,
            before=Verdict(finding=Finding.PASS, sentence="it is healthy"),
        )
        stages = immediate.stages(state, target, payments.bad, policy)
        return plan_of(payments, stages)

    def _note_stages(self, incident: str, plan: RollbackPlan) -> None:
        """A stage ends with the verdict of its check or gate; the first begins with its first step."""
        journal = events(self._store, incident)
        begins = [next(event.at for event in journal if event.kind == "step")]
        ends = [event.at for event in journal if event.kind == "verdict"]
        begins += ends[:-1]
        for stage, begin, end in zip(plan.stages_of("payments"), begins, ends, strict=False):
            self.stages.setdefault(stage.name, []).append((end - begin).total_seconds())


async def measure(arguments: argparse.Namespace, folder: Path, progress: Progress) -> Outcome:
    world = SmallWorld(folder, CATALOG, ("payments", "ledger"))
    try:
        progress("starting a small world: agent, mesh, Envoy, Temporal, a pool, payments v1 and v2", now=True)
        await world.start_temporal()
        await world.start()
        store = open_store(world.store)
        migrate(store)
        await world.start_pool()
        await world.deploy(("ledger", "v1"), ("payments", "v1"), ("payments", "v2"))
        await world.serve("ledger", "v1")
        await world.serve("payments", "v2")
        client = await Client.connect(world.temporal, data_converter=pydantic_data_converter)
        switching = Switching(world, client, store)
        url = f"http://127.0.0.1:{world.port('payments')}"
        async with Load(url, "POST", "/pay", arguments.rate) as load:
            for number in range(1, arguments.times + 1):
                await switching.roll_back("v1")
                await switching.roll_back("v2")
                so_far = f"{load.total} requests, failed {load.failed or 'none'}"
                progress(f"{number} of {arguments.times} times back and forth: {so_far}")
        store.close()
    finally:
        world.stop()
    return _outcome(switching, load, arguments.times)


def _outcome(switching: Switching, load: Load, times: int) -> Outcome:
    done = len(switching.seconds) - len(switching.unfinished)
    results = {
        "switches": len(switching.seconds),
        "unfinished": switching.unfinished,
        "requests": load.total,
        "failed": load.failed,
        "requests_a_second": round(load.rate, 1),
        "rollback_seconds_median": round(median(switching.seconds), 3),
        "stage_seconds_median": {name: round(median(taken), 3) for name, taken in switching.stages.items()},
    }
    checks = (
        at_most("failed requests", sum(load.failed.values()), 0),
        at_least("switches that were done", done, 2 * times),
        at_least("requests a second", round(load.rate, 1), LEAST_RATE),
    )
    return Outcome(results, checks)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--times", type=int, default=20, help="how often back and forth (default: 20)")
    parser.add_argument("--rate", type=float, default=1.2 * LEAST_RATE, help="requests a second (default: 120)")


if __name__ == "__main__":
    Benchmark("switch", "A healthy release rolled back and forth under load.", measure, _options).main()
