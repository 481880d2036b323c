"""Observes how long an ended incident spent in its phases: once, in the process that records its end."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import activity, worker

from activities.analytics import contract
from activities.analytics.phases import ENDED, time_in_phases
from activities.analytics.store import Store, StoreUnavailable
from activities.analytics.store.journal import events
from workers.observability.logs import logger
from workers.observability.metrics import PHASE_DURATION


class PhaseMetrics(worker.Interceptor):
    """For the worker that records journals."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:
        return _Observe(super().intercept_activity(next), self._store)


class _Observe(worker.ActivityInboundInterceptor):
    def __init__(self, next: worker.ActivityInboundInterceptor, store: Store) -> None:
        super().__init__(next)
        self._store = store

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        result = await super().execute_activity(input)
        # A batch that was recorded before, and whose answer was lost, has nothing new.
        if activity.info().activity_type == contract.RECORD.name and result:
            batch: contract.JournalBatch = input.args[0]
            for incident in {entry.incident for entry in batch.entries if entry.kind == ENDED}:
                await self._observe(incident)
        return result

    async def _observe(self, incident: str) -> None:
        try:
            journal = await asyncio.to_thread(events, self._store, incident)
        except StoreUnavailable as error:
            logger(__name__).warning("phases not observed", incident=incident, reason=str(error))
            return
        for time in time_in_phases(journal):
            PHASE_DURATION.labels(time.phase, time.severity).observe(time.seconds)
