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
from activities.prevention.measures import measures, over_budget
from activities.rollback.circumstances import way_of
from activities.rollback.situation import situation
from activities.rollback.state import read_state
from activities.rollback.survey import recollections
from activities.rollback.target import Way
from models.alert import Alert, AlertStatus, Severity
from models.assessment import Assessment
from models.base import SternwayError
from models.catalog import Level
from models.identity import correlation_key
from models.prevention import Spent
from models.prevention_run import Measures
from models.said import Said
from models.scope import Scope
from models.service_state import ServiceState
from models.survey import Survey

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
        way = await self._way(request, state, now)
        found = measures(request.action, state, way, policy, request.because, now)
        if found.cannot or policy.prevention is None:
            return found
        why = over_budget(policy.prevention, await self._spent(request, now), request.dollars)
        return Measures(state=state, cannot=why, sentence=why) if why else found

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

    async def _way(self, scope: Scope, state: ServiceState, now: datetime) -> Way | None:
        remembered = await recollections(self._store, [scope.service], scope.region)
        if not remembered:
            return None
        assessment = Assessment(survey=Survey(recollections=remembered))
        found = situation(scope.service, [state], assessment, Said(began_at=now), now)
        return way_of(await self._directory.catalog(scope), found.subjects[scope.service], now)

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
