"""The least workflow that runs a local activity: alone here, because the sandbox loads its module for every start."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import VersioningBehavior

ACTIVITY = "bench-floor"


@workflow.defn(name="BenchFloor", versioning_behavior=VersioningBehavior.PINNED)
class BareWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_local_activity(ACTIVITY, start_to_close_timeout=timedelta(seconds=5))
