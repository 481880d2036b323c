"""Preventions as they run or have ended, and a person's word to one, by Temporal alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from models.base import SternwayError
from models.identity import prevention_id
from models.incident import Approval
from models.prevention_run import PreventionState
from workflows.prevention import PreventionWorkflow

RPC_TIMEOUT = timedelta(seconds=10)


async def preventions(client: Client, limit: int) -> list[PreventionState]:
    """The newest first; each is asked by a query, which needs a pool of its build."""
    found: list[PreventionState] = []
    async for execution in client.list_workflows("WorkflowType = 'Prevention'", limit=limit):
        handle = client.get_workflow_handle_for(PreventionWorkflow.run, execution.id, run_id=execution.run_id)
        found.append(await handle.query(PreventionWorkflow.state, rpc_timeout=RPC_TIMEOUT))
    return found


async def say(client: Client, region: str, service: str, what: Literal["approve", "abort"], word: Approval) -> str:
    """What the prevention of the service answers. Raises :class:`~models.base.SternwayError` where it refuses, or there
    is none."""
    handle = client.get_workflow_handle_for(PreventionWorkflow.run, prevention_id(region, service))
    update = PreventionWorkflow.approve if what == "approve" else PreventionWorkflow.abort
    try:
        answer: str = await handle.execute_update(  # pyright: ignore[reportUnknownMemberType] -- an overload of the SDK's
            update, word, rpc_timeout=RPC_TIMEOUT
        )
        return answer
    except WorkflowUpdateFailedError as refused:
        raise SternwayError(f"it was refused: {refused.cause}") from None
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        raise SternwayError(f"no prevention of {service} in {region} runs; see `sternway preventions list`") from None
