"""A workflow of one activity that takes longer than its heartbeat time-out: alone, because the sandbox loads it."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy, VersioningBehavior

HEARTBEAT = timedelta(seconds=0.4)


@workflow.defn(name="Slow", versioning_behavior=VersioningBehavior.PINNED)
class SlowWorkflow:
    @workflow.run
    async def run(self, activity: str) -> list[str]:
        """What the activity says: the details that its last attempt began with."""
        return await workflow.execute_activity(
            activity,
            result_type=list[str],
            start_to_close_timeout=timedelta(seconds=20),
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=3),
        )
