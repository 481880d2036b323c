"""Asking for the lock of a service, and giving it back: what every holder of :mod:`workflows.lock` does alike."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.rollback import contract as rollback


def lock_request(region: str, service: str, priority: int) -> rollback.LockRequest:
    """In the name of the workflow that asks."""
    here = workflow.info()
    return rollback.LockRequest(
        region=region, service=service, holder=here.workflow_id, run=here.run_id, priority=priority
    )


async def unlock(request: rollback.LockRequest) -> None:
    """Give it back, or ask for it no more."""
    lock = workflow.get_external_workflow_handle(rollback.lock_id(request.region, request.service))
    try:
        await lock.signal("release", request)
    except FailureError:
        workflow.logger.warning("the lock had ended before it was released")
