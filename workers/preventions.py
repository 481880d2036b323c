"""Preventions as they run or have ended, and a person's word to one, by Temporal alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Literal

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError, RPCStatusCode

from models.base import Frozen, SternwayError
from models.identity import MEMO, prevention_id
from models.incident import Approval
from models.prevention import Action
from models.prevention_run import PreventionPhase
from workflows.prevention import PreventionWorkflow
from workflows.search import REGION, SERVICE

RPC_TIMEOUT = timedelta(seconds=10)


class Listed(Frozen):
    """A prevention, as far as it can be asked."""

    incident: str
    """Its ULID."""
    service: str
    region: str
    action: Action | None
    phase: PreventionPhase | None
    """None where it does not answer; the sentence says why."""
    sentence: str


async def preventions(client: Client, limit: int) -> list[Listed]:
    """The newest first. One that runs is asked, which needs a pool of its build; one that has ended has left word."""
    found = [one async for one in client.list_workflows("WorkflowType = 'Prevention'", limit=limit)]
    return list(await asyncio.gather(*(_listed(client, one) for one in found)))


async def _listed(client: Client, execution: WorkflowExecution) -> Listed:
    handle = client.get_workflow_handle_for(PreventionWorkflow.run, execution.id, run_id=execution.run_id)
    action, phase = None, None
    try:
        if execution.status is WorkflowExecutionStatus.RUNNING:
            told = await handle.query(PreventionWorkflow.state, rpc_timeout=RPC_TIMEOUT)
        else:
            told = await handle.result(rpc_timeout=RPC_TIMEOUT)
        action, phase, sentence = told.action, told.phase, told.sentence
    except WorkflowFailureError as failed:
        sentence = f"it has ended without a result: {failed.cause}"
    except (RPCError, WorkflowQueryFailedError) as error:
        sentence = f"its build does not answer: {error}"
    attributes = execution.typed_search_attributes
    return Listed(
        incident=await execution.memo_value(MEMO, "", type_hint=str),
        service=attributes.get(SERVICE, ""),
        region=attributes.get(REGION, ""),
        action=action,
        phase=phase,
        sentence=sentence,
    )


async def say(client: Client, region: str, service: str, what: Literal["approve", "abort"], word: Approval) -> str:
    """What the prevention of the service answers. Raises :class:`~models.base.SternwayError` where it refuses, does not
    answer, or there is none."""
    handle = client.get_workflow_handle_for(PreventionWorkflow.run, prevention_id(region, service))
    update = PreventionWorkflow.approve if what == "approve" else PreventionWorkflow.abort
    try:
        answer: str = await handle.execute_update(  # pyright: ignore[reportUnknownMemberType] -- an overload of the SDK's
            update, word, rpc_timeout=RPC_TIMEOUT
        )
        return answer
    except WorkflowUpdateFailedError as refused:
        raise SternwayError(f"it was refused: {refused.cause}") from None
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        raise SternwayError(
            "no pool of its build has answered in time: start one, as `sternway upgrade status` tells, and see "
            "`sternway preventions list` for what became of it"
        ) from None
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        raise SternwayError(f"no prevention of {service} in {region} runs; see `sternway preventions list`") from None
