"""The rollback module's activities: read the world, hand it to the pure functions, return what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from temporalio import activity

from activities.analytics.store import Store
from activities.directory import Directory
from activities.mesh.activities import judge_routing
from activities.polling import watch
from activities.rollback import contract
from activities.rollback.decision import decide
from activities.rollback.plan import make_plan
from activities.rollback.situation import concerned, situation
from activities.rollback.state import read_state
from activities.rollback.survey import survey
from models.plan import Plan
from models.scope import Scope
from models.service_state import ServiceState
from models.stage import Routed
from models.survey import Survey
from models.verdict import Finding, Verdict

READ_BACK_SECONDS = 15.0
"""A proxy whose control plane was killed comes back within these, also on a busy machine."""


class RollbackActivities:
    def __init__(self, directory: Directory, store: Store) -> None:
        self._directory = directory
        self._store = store

    @activity.defn(name=contract.SURVEY.name)
    async def survey(self, scope: Scope) -> Survey:
        catalog = await self._directory.catalog(scope)
        services = concerned(catalog, scope.region, scope.service)
        return await survey(self._directory, self._store, catalog, scope, services)

    @activity.defn(name=contract.PLAN.name)
    async def plan(self, request: contract.PlanRequest) -> Plan:
        catalog = await self._directory.catalog(request)
        services = concerned(catalog, request.region, request.service)
        states = await asyncio.gather(*(read_state(self._directory, request.at(name)) for name in services))
        found = situation(request.service, states, request.assessment, request.said, datetime.now(UTC))
        return make_plan(request.incident, catalog, found, request.protected)

    @activity.defn(name=contract.PRECHECK.name)
    async def precheck(self, request: contract.PrecheckRequest) -> contract.Precheck:
        """Law 7: a plan runs only against the state that it was made for."""
        planned = [rollback.state for rollback in request.plan.services]
        now = await asyncio.gather(*(read_state(self._directory, request.at(state.service)) for state in planned))
        return compare_states(planned, now)

    @activity.defn(name=contract.READ_BACK.name)
    async def read_back(self, request: contract.ReadBackRequest) -> Verdict:
        """More than one look: the proxies may still be confirming that the last replicas have gone."""
        work, gate = request.work, Routed(weights={request.work.release: 100}, timeout=READ_BACK_SECONDS)
        mesh = await self._directory.mesh(request)

        async def look() -> Verdict:
            routing = await mesh.read(request.service)
            verdict = judge_routing(gate, routing.weights, routing.missing)
            ready = (await read_state(self._directory, request)).ready.get(work.release, 0)
            if not verdict.passed or ready >= work.replicas:
                return verdict
            return Verdict(
                finding=Finding.FAIL, sentence=f"{ready} of {work.replicas} replicas of {work.release} are ready"
            )

        return await watch(look, gate.timeout, Finding.FAIL)

    @activity.defn(name=contract.DECIDE.name)
    async def decide(self, request: contract.DecisionRequest) -> contract.Decision:
        return decide(request.moved)


def compare_states(planned: Sequence[ServiceState], now: Sequence[ServiceState]) -> contract.Precheck:
    """*now*: of the same services, in the same order."""
    for before, after in zip(planned, now, strict=True):
        if before.fingerprint() != after.fingerprint():
            sentence = (
                f"since the plan was made, {before.service} went from weights {before.weights} and replicas "
                f"{before.replicas} to {after.weights} and {after.replicas}"
            )
            return contract.Precheck(fresh=False, sentence=sentence)
    return contract.Precheck(fresh=True, sentence="the world is what the plan was made for")
