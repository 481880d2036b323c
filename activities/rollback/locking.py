"""Asking for the lock of a service, and looking whether whoever holds it still runs: both are questions to Temporal."""

from __future__ import annotations

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from activities.rollback import contract
from models.queues import WORKFLOWS


class LockActivities:
    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn(name=contract.LOCK.name)
    async def lock(self, request: contract.LockRequest) -> bool:
        """Signal-with-start: whoever asks first starts the lock. It answers the holder by a signal of its own."""
        await self._client.start_workflow(
            "ServiceLock",
            id=contract.lock_id(request.region, request.service),
            task_queue=WORKFLOWS,
            start_signal="acquire",
            start_signal_args=[request],
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"lock of {request.service} in {request.region}",
        )
        return True

    @activity.defn(name=contract.HOLDER_RUNS.name)
    async def holder_runs(self, request: contract.LockRequest) -> bool:
        try:
            description = await self._client.get_workflow_handle(request.holder, run_id=request.run).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return description.status is WorkflowExecutionStatus.RUNNING
