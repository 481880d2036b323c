"""Which build of Sternway a worker is, as Temporal knows it: incidents end on the build that they began on.

A build is whatever a running workflow could notice. The gateway and the pools of the same code are the same build,
because an eager start runs in the gateway whatever the current build is (decision 0011).
"""

from __future__ import annotations

import asyncio
import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

from temporalio.api.workflowservice.v1 import (
    CreateWorkerDeploymentRequest,
    DescribeWorkerDeploymentRequest,
    DescribeWorkerDeploymentResponse,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

import activities
import models
import workflows
from models.settings import Settings
from workers.observability.logs import logger

DEPLOYMENT = "sternway"

PAUSE, LONGEST_PAUSE = 0.2, 10.0
"""Seconds between two attempts to join; doubled while the server refuses for another reason than that others join."""

LOOK = 5.0
"""Seconds between two looks whether the deployment that was joined is still there."""

TAKING_TURNS = (
    RPCStatusCode.ABORTED,
    RPCStatusCode.ALREADY_EXISTS,
    RPCStatusCode.FAILED_PRECONDITION,
    RPCStatusCode.RESOURCE_EXHAUSTED,
)
"""What the server answers to one of several processes that join at the same time."""

CURES = {
    RPCStatusCode.UNIMPLEMENTED: "upgrade it: Sternway needs a server that knows worker deployments, 1.32 or newer",
    RPCStatusCode.PERMISSION_DENIED: "give Sternway's identity the right to write in its namespace",
    RPCStatusCode.UNAUTHENTICATED: "give Sternway an identity that the server knows",
    RPCStatusCode.NOT_FOUND: "create the namespace, or set STERNWAY_TEMPORAL_NAMESPACE to one that there is",
}
"""What helps against a refusal that is not over by itself."""


def build_of(settings: Settings) -> str:
    """This process's build: the one that it was told, or else the package's version and a digest of its sources."""
    return settings.build_id or _of_the_sources()


@cache
def _of_the_sources() -> str:
    """Of what workflows run, say and are told: theirs, the models', and the activities' contracts."""
    digest = hashlib.sha256()
    for package, pattern in ((workflows, "*.py"), (models, "*.py"), (activities, "**/contract.py")):
        folder = Path(package.__path__[0])
        for file in sorted(folder.glob(pattern)):
            digest.update(f"{folder.name}/{file.relative_to(folder)}\0".encode())
            digest.update(file.read_bytes())
    return f"{version('sternway')}-{digest.hexdigest()[:12]}"


async def join(client: Client, build: str) -> None:
    """Call before a worker polls; returns once Temporal has answered, however long that takes.

    Also where it will not before somebody has done something about it: a gateway goes on taking alerts in the meantime,
    and works as soon as it is done. The log says what is to be done.

    The first build of an empty deployment becomes the current one by itself. A later one never does, and waits for
    ``sternway upgrade apply``.
    """
    pause = PAUSE
    said: RPCStatusCode | None = None
    while True:
        try:
            if await _joined(client, build):
                return
            pause = PAUSE
        except RPCError as error:
            pause = PAUSE if error.status in TAKING_TURNS else min(pause * 2, LONGEST_PAUSE)
            if error.status is not said:
                said = error.status
                _say(error, pause)
        await asyncio.sleep(pause)


def _say(error: RPCError, again_in: float) -> None:
    facts = {"reason": str(error), "again_in": again_in}
    if cure := CURES.get(error.status):
        logger(__name__).error("Temporal does not let Sternway work", **facts, cure=cure)
    elif error.status in TAKING_TURNS:
        logger(__name__).debug("the deployment cannot be joined yet", **facts)
    else:
        logger(__name__).warning("the deployment cannot be joined yet", **facts)


async def stay(client: Client, build: str) -> None:
    """Join again, for ever, a Temporal that has lost its database: without a current build no lock would be given."""
    while True:
        await asyncio.sleep(LOOK)
        try:
            found = await describe(client)
        except RPCError:  # away; it is asked again
            continue
        if found is None or not current_build(found):
            await join(client, build)


async def _joined(client: Client, build: str) -> bool:
    found = await describe(client)
    if found is None:
        await _create(client)
        return False
    current = current_build(found)
    if not current:
        await make_current(client, build, found, unpolled=True)  # we poll next, and find what was begun in between
        logger(__name__).info("first build of this deployment", build=build)
    elif current != build:
        cure = "new incidents begin here only at a gateway of this build; see `sternway upgrade status`"
        logger(__name__).warning("another build is the current one", build=build, current=current, cure=cure)
    return True


async def describe(client: Client) -> DescribeWorkerDeploymentResponse | None:
    """The deployment as Temporal knows it; none before the first build has joined. Raises RPCError."""
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=DEPLOYMENT)
    try:
        return await client.workflow_service.describe_worker_deployment(request, retry=True)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def current_build(found: DescribeWorkerDeploymentResponse) -> str:
    """The build on which new incidents begin; empty where none was ever made current."""
    return found.worker_deployment_info.routing_config.current_deployment_version.build_id


async def make_current(client: Client, build: str, found: DescribeWorkerDeploymentResponse, *, unpolled: bool) -> None:
    """New incidents, and locks at their next step, run on *build* from now on.

    *unpolled*: also where nobody polls yet, or not every queue. Raises RPCError, also where the deployment was changed
    since it was *found*.
    """
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=DEPLOYMENT,
        build_id=build,
        conflict_token=found.conflict_token,
        allow_no_pollers=unpolled,
        ignore_missing_task_queues=unpolled,
    )
    await client.workflow_service.set_worker_deployment_current_version(request)


async def _create(client: Client) -> None:
    request = CreateWorkerDeploymentRequest(namespace=client.namespace, deployment_name=DEPLOYMENT)
    await client.workflow_service.create_worker_deployment(request)
