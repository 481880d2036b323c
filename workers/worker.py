"""How every Temporal worker of ours is set, whatever it runs: the values were measured, see below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.worker import Interceptor, Worker, WorkerDeploymentConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from workers.deployment.joining import DEPLOYMENT
from workers.heartbeats import Heartbeats

TASK_TIMEOUT = timedelta(seconds=2)
"""Workflow task timeout, given at the start of a workflow. A process killed in the middle of a local activity is
noticed after 1.8 instead of 9.8 s."""

CACHED_WORKFLOWS = 200
"""That a worker keeps in memory, about 0.2 MB for each incident. One that is not kept is replayed from its history when
something happens to it: an approval then takes half a second on two busy cores. So open incidents beyond the cache cost
time and not memory; ``bench/footprint.py`` has the figures."""

GRACE = timedelta(seconds=10)
"""What a worker that was told to stop has in hand may take this long, which is what a change may take. Gates are handed
over at once."""

SHARED = ("activities", "models", "pydantic", "pydantic_core", "pydantic_settings", "annotated_types", "ulid")
"""Modules without state of their own, which every workflow's sandbox may share."""

PASSED_THROUGH = (*SHARED, "workflows")
"""Loaded once instead of once a workflow. The first protective action waits for the start of its workflow: 20 ms with
our own modules in the sandbox, 0.2 ms without. What the sandbox would find in them, ``tests/determinism`` finds: it
replays every history in the strict sandbox, and refuses clocks, randomness and module state in the source."""


def build(
    client: Client,
    task_queue: str,
    build: str | None,
    *,
    workflows: Sequence[type] = (),
    activities: Sequence[Callable[..., Any]] = (),
    remote_activities: bool = True,
    workflow_polls: int = 5,
    interceptors: Sequence[Interceptor] = (),
) -> Worker:
    """A worker of *build* for one queue. Without *remote_activities* it runs local ones only and polls for no others.

    It gets what is begun on its build, and whatever is not pinned once ``deployment.join`` has made its build current.
    Without a *build* it takes what any build asks for: activities only, whose contracts have versions of their own.
    """
    deployed = build and WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(DEPLOYMENT, build), use_worker_versioning=True
    )
    return Worker(
        client,
        task_queue=task_queue,
        workflows=workflows,
        activities=activities,
        no_remote_activities=not remote_activities,
        max_concurrent_workflow_task_polls=workflow_polls,
        max_cached_workflows=CACHED_WORKFLOWS,
        interceptors=[Heartbeats(), *interceptors],
        deployment_config=deployed or None,
        # All of ours are coroutines, and gates wait for long: a full worker would look like a dead region.
        max_concurrent_activities=1000,
        workflow_runner=SandboxedWorkflowRunner(
            restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
        ),
        # A workflow whose worker was killed goes on elsewhere after 1.7 instead of 10.6 s.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        # A cancellation reaches an activity in 0.07 instead of 6.5 s.
        max_heartbeat_throttle_interval=timedelta(milliseconds=100),
        default_heartbeat_throttle_interval=timedelta(milliseconds=100),
        graceful_shutdown_timeout=GRACE,
    )
