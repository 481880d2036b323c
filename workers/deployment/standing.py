"""How the builds stand: which one is current, what runs on each, and who polls for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkerDeploymentResponse,
    DescribeWorkerDeploymentVersionRequest,
)
from temporalio.client import Client

from models.base import Frozen, SternwayError
from models.queues import WORKFLOWS
from workers.deployment.joining import DEPLOYMENT, current_build, describe

POLLED_WITHIN = timedelta(seconds=70)
"""A process that waits for work asks again after at most a minute; one that has not asked for this long is gone."""


class NotYet(SternwayError):
    """The deployment is not ready for what was asked; nothing was changed."""


class Running(Frozen):
    """A workflow that ends on the build that it began on."""

    workflow: str
    kind: str
    """``Incident``, ``Rollback``, …"""


class Build(Frozen):
    """One build of the deployment."""

    build: str
    current: bool
    since: datetime
    """When its first process joined."""
    running: tuple[Running, ...]
    """What ends on it, whether or not somebody polls for it."""
    polled: dict[str, tuple[str, ...]]
    """By task queue, who has lately asked for its work, as ``pid@machine``; empty: nobody."""


class Standing(Frozen):
    """The deployment as it is; the newest build first."""

    deployment: str
    current: str
    builds: tuple[Build, ...]


async def standing(client: Client) -> Standing:
    """What runs where. Raises :class:`NotYet` where no build has ever joined, RPCError."""
    found = await deployment(client)
    current = current_build(found)
    builds = [
        Build(
            build=summary.deployment_version.build_id,
            current=summary.deployment_version.build_id == current,
            since=summary.create_time.ToDatetime(UTC),
            running=await running_on(client, summary.deployment_version.build_id),
            polled=await _polled(client, summary.deployment_version.build_id),
        )
        for summary in found.worker_deployment_info.version_summaries
    ]
    newest_first = sorted(builds, key=lambda build: build.since, reverse=True)
    return Standing(deployment=DEPLOYMENT, current=current, builds=tuple(newest_first))


async def deployment(client: Client) -> DescribeWorkerDeploymentResponse:
    """Raises :class:`NotYet` where no build has ever joined, RPCError."""
    found = await describe(client)
    if found is None:
        raise NotYet("no build of Sternway has joined this Temporal yet; start a gateway or a pool")
    return found


async def running_on(client: Client, build: str) -> tuple[Running, ...]:
    """What is pinned to *build* and has not ended; what has just begun comes a moment later."""
    query = (
        f"TemporalWorkerDeploymentVersion = '{DEPLOYMENT}:{build}' "
        "AND TemporalWorkflowVersioningBehavior = 'Pinned' AND ExecutionStatus = 'Running'"
    )
    return tuple([Running(workflow=one.id, kind=one.workflow_type) async for one in client.list_workflows(query)])


async def pollers(client: Client, queue: str, build: str) -> tuple[str, ...]:
    """Who polls *queue* as *build*: the neutral one for workflows, a region's for activities."""
    workflows, activities = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=workflows if queue == WORKFLOWS else activities,
        report_pollers=True,
    )
    fresh = datetime.now(UTC) - POLLED_WITHIN
    found = (await client.workflow_service.describe_task_queue(request, retry=True)).pollers
    polling = [poller for poller in found if poller.last_access_time.ToDatetime(UTC) >= fresh]
    return tuple(sorted(poller.identity for poller in polling if poller.deployment_options.build_id == build))


async def _polled(client: Client, build: str) -> dict[str, tuple[str, ...]]:
    version = WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=build)
    request = DescribeWorkerDeploymentVersionRequest(namespace=client.namespace, deployment_version=version)
    answer = await client.workflow_service.describe_worker_deployment_version(request, retry=True)
    names = sorted({queue.name for queue in answer.version_task_queues})
    return {name: await pollers(client, name, build) for name in names}
