"""Beginning a prevention: one runs at a time for a service in a region."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from models.identity import prevention_id
from models.prevention_run import PreventionStart
from models.queues import WORKFLOWS
from workers.gateway.handover import MEMO
from workers.worker import TASK_TIMEOUT

RPC_TIMEOUT = timedelta(seconds=5)


async def begin(client: Client, start: PreventionStart) -> bool:
    """Whether it has begun; not where one of the service runs already.

    The store must have the catalog that *start* names. Raises :class:`~temporalio.service.RPCError` where Temporal did
    not answer: then nobody knows, and the same start may be tried again.
    """
    try:
        await client.start_workflow(
            "Prevention",
            start,
            id=prevention_id(start.region, start.service),
            task_queue=WORKFLOWS,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            task_timeout=TASK_TIMEOUT,
            memo={MEMO: start.incident},
            static_summary=f"{start.service} in {start.region}: {start.risk.sentence}"[:200],
            rpc_timeout=RPC_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        return False
    return True
