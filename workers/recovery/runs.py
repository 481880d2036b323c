"""What Temporal knows of an incident: whether its own workflow runs, whatever runs under the same id by now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from models.identity import MEMO
from models.settings import Settings
from workers.temporal import IMPATIENT, TemporalAway, connect

RPC_TIMEOUT = timedelta(seconds=5)

ENDED: dict[WorkflowExecutionStatus | None, str] = {
    WorkflowExecutionStatus.TERMINATED: "was terminated",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.TIMED_OUT: "timed out",
    WorkflowExecutionStatus.CANCELED: "was cancelled",
}


@dataclass(frozen=True)
class Run:
    """An incident's own workflow, as Temporal tells it."""

    runs: bool
    sentence: str
    """What has become of it: ``its workflow was terminated``."""
    rollback_runs: bool = False
    """Whether a rollback that it had begun goes on without it."""


async def run_of(client: Client, incident: str, workflow: str | None, service: str | None) -> Run:
    """What has become of the incident's workflow. *workflow*, *service*: as its record says, if there is one.

    A workflow id is used again by the next trouble of its correlation: the memo tells whose run it is. Raises
    ``RPCError`` where Temporal does not say: that is not the same as not knowing the workflow.
    """
    # Without its namespace a server answers NOT_FOUND as well, and every incident would look lost.
    namespace = DescribeNamespaceRequest(namespace=client.namespace)
    await client.workflow_service.describe_namespace(namespace, timeout=RPC_TIMEOUT)
    last = await _last(client, workflow) if workflow else None
    if workflow is None and incident in await running(client):
        return Run(True, "its workflow runs")
    if last is None:
        sentence = "its workflow is unknown to Temporal"
    elif await _whose(last) != incident:
        sentence = "its workflow is gone, and another incident has its id now"
    elif last.status is WorkflowExecutionStatus.RUNNING:
        return Run(True, "its workflow runs")
    else:
        sentence = f"its workflow {ENDED.get(last.status, 'has ended')}"
    rollback = await _last(client, f"rollback:{incident}:{service}") if service else None
    if rollback and rollback.status is WorkflowExecutionStatus.RUNNING:
        return Run(False, f"{sentence}; the rollback that it had begun still runs", rollback_runs=True)
    return Run(False, sentence)


async def running(client: Client) -> frozenset[str]:
    """The incidents and preventions whose workflows run, as Temporal's index has them: one that has just begun may be
    missing."""
    query = 'WorkflowType IN ("Incident", "Prevention") AND ExecutionStatus = "Running"'
    found = client.list_workflows(query, rpc_timeout=RPC_TIMEOUT)
    return frozenset([await _whose(execution) async for execution in found])


async def connected(settings: Settings) -> Client | None:
    """A client; none where no Temporal answers."""
    try:
        return await connect(settings, retrying=IMPATIENT)
    except TemporalAway:
        return None


async def _last(client: Client, workflow: str) -> WorkflowExecution | None:
    try:
        return await client.get_workflow_handle(workflow).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def _whose(execution: WorkflowExecution) -> str:
    return await execution.memo_value(MEMO, "", type_hint=str)
