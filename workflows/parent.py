"""A rollback's word to the incident that began it. It survives that incident, and then goes on without it."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from models.rollback import Awaited, Held


async def tell_incident(word: Held | Awaited) -> None:
    parent = workflow.info().parent
    if parent is None:
        return
    incident = workflow.get_external_workflow_handle(parent.workflow_id, run_id=parent.run_id)
    try:
        await incident.signal("rollback_held" if isinstance(word, Held) else "approval_awaited", word)
    except FailureError:
        workflow.logger.warning("the incident of this rollback has ended; going on without it")
