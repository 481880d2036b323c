"""The prevention's activities: what an action is here and now, whether an incident runs, and beginning one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.analytics.store import Store, deliveries
from activities.analytics.store.preventions import spent
from activities.directory import Directory
from activities.prevention import contract
from activities.prevention.before import way_before
from activities.prevention.measures import measures
from activities.rollback.state import read_state
from models.alert import Alert, AlertStatus, Severity
from models.base import SternwayError
from models.catalog import Level
from models.identity import correlation_key
from models.prevention import Spent
from models.prevention_run import Measures, over_budget
from models.scope import Scope

SOURCE = "predictor"
"""Of the alerts that a prevention raises."""

STORE_SECONDS = 3.0
"""That one question to the store may take."""


class PreventionActivities:
    def __init__(self, directory: Directory, store: Store, client: Client) -> None:
        self._directory = directory
        self._store = store
        self._client = client

    @activity.defn(name=contract.MEASURES.name)
    async def measures(self, request: contract.MeasuresRequest) -> Measures:
        """What is approved, the catalog says, and never the caller: whoever starts preventions cannot widen it."""
        policy = (await self._directory.catalog(request)).policy_of(request.service)
        state, now = await read_state(self._directory, request), datetime.now(UTC)
        way = await way_before(self._directory, self._store, state, request, now)
        found = measures(request.action, state, way, policy, request.because, now)
        if policy.prevention is None:
            return found
        why = found.cannot or over_budget(policy.prevention, await self._spent(request, now), request.dollars)
        if why:
            found = Measures(state=state, cannot=why, sentence=why)
        return found.model_copy(update={"level": policy.prevention.level})

    @activity.defn(name=contract.INCIDENT.name)
    async def incident(self, scope: Scope) -> contract.Running:
        for level in Level:
            workflow = correlation_key(scope.region, scope.service, level)
            if await self._runs(workflow):
                return contract.Running(workflow=workflow)
        return contract.Running(workflow=None)

    @activity.defn(name=contract.RAISE.name)
    async def raise_alert(self, request: contract.RaiseRequest) -> contract.Raised:
        """Durable, and pending until a gateway has handed it over. Said again, it is the same alert."""
        alert = Alert(
            source=SOURCE,
            fingerprint=request.incident,
            status=AlertStatus.FIRING,
            severity=Severity.WARNING,
            service=request.service,
            region=request.region,
            group=SOURCE,
            name="PredictedIncident",
            summary=request.because,
            starts_at=request.decided_at,
        )
        body = alert.model_dump_json().encode()
        prepared = deliveries.prepare(self._store, SOURCE, body, request.incident, request.decided_at, [alert])
        kept = await asyncio.to_thread(deliveries.persist, self._store, prepared)
        return contract.Raised(alert=kept.alert_ids[0])

    async def _spent(self, scope: Scope, now: datetime) -> Spent | None:
        try:
            async with asyncio.timeout(STORE_SECONDS):
                return await asyncio.to_thread(spent, self._store, scope.region, scope.service, now)
        except (SternwayError, TimeoutError):
            return None

    async def _runs(self, workflow: str) -> bool:
        try:
            found = await self._client.get_workflow_handle(workflow).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return found.status is WorkflowExecutionStatus.RUNNING
