"""The least workflow that is stopped between two activities, in one, or in a local one: alone, for the sandbox."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import VersioningBehavior

with workflow.unsafe.imports_passed_through():
    from activities.contract import Contract
    from models.base import Frozen

QUEUE, ACTIVITIES = "bench-bare", "bench-bare-activities"
"""Queues of their own for workflows and activities, as in a pool."""


class Wait(Frozen):
    file: str
    """The activity lasts for as long as this file exists."""


HOLD = Contract("bench.hold.v1", Wait, bool, timeout=timedelta(minutes=1))


@workflow.defn(name="BenchBareSteps", versioning_behavior=VersioningBehavior.PINNED)
class BareSteps:
    def __init__(self) -> None:
        self._going = False

    @workflow.signal
    def go(self) -> None:
        self._going = True

    @workflow.run
    async def run(self, local: bool, wait: Wait) -> None:
        if local:
            await workflow.execute_local_activity(HOLD.name, wait, start_to_close_timeout=HOLD.timeout)
            return
        await workflow.wait_condition(lambda: self._going)
        await workflow.execute_activity(
            HOLD.name,
            wait,
            task_queue=ACTIVITIES,
            start_to_close_timeout=HOLD.timeout,
            heartbeat_timeout=HOLD.heartbeat,
        )
