"""From one build to the next (decision 0011): make one current when it is ready, forget one when nothing needs it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import RoutingConfigUpdateState
from temporalio.api.workflowservice.v1 import DeleteWorkerDeploymentVersionRequest, DescribeWorkerDeploymentResponse
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from models.queues import WORKFLOWS, regional
from workers.deployment.joining import DEPLOYMENT, current_build, make_current
from workers.deployment.standing import NotYet, Running, deployment, pollers, running_on

Answer = TypeVar("Answer")

LOOK_EVERY = 0.5
"""Seconds between two looks while something is waited for."""

ROUTED_WITHIN = 10.0
"""Seconds for every queue to learn of another current build."""

NAMED = 5
"""Of what runs on a build, so many are named in an error."""

Say = Callable[[str], None]
"""Told of progress, in a sentence."""


async def apply(client: Client, build: str | None, regions: Sequence[str], without: Sequence[str], say: Say) -> str:
    """Make *build*, or the newest one, current, if it polls the neutral queue and the queue of each of *regions*, but
    for those *without* a pool. Returns the build. Raises :class:`NotYet`, RPCError."""
    found = await deployment(client)
    chosen = _choose(found, build)
    wanted = [WORKFLOWS, *(regional(region) for region in regions if region not in without)]
    if missing := [queue for queue in wanted if not await pollers(client, queue, chosen)]:
        raise NotYet(_who_is_missing(chosen, missing, regions))
    if current_build(found) != chosen:
        await make_current(client, chosen, found, unpolled=bool(without))
        say(f"telling every queue of build {chosen}")
        await _routed(client)
    return chosen


async def remove(client: Client, build: str) -> None:
    """Forget *build*. Raises :class:`NotYet` while it is current, something runs on it, or somebody polls for it."""
    found = await deployment(client)
    if current_build(found) == _choose(found, build):
        raise NotYet(f"build {build} is the current one; make another one current first: `sternway upgrade apply`")
    if running := await running_on(client, build):
        raise NotYet(_what_runs(build, running))
    request = DeleteWorkerDeploymentVersionRequest(
        namespace=client.namespace,
        deployment_version=WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=build),
        skip_drainage=True,  # the server looks every few minutes; we have just looked
    )
    try:
        await client.workflow_service.delete_worker_deployment_version(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.FAILED_PRECONDITION:
            raise
        raise NotYet(
            f"Temporal keeps build {build}: {error.message}; stop its processes. One counts for five minutes after it "
            f"has last polled: `sternway upgrade remove {build} --wait 300`"
        ) from error


async def patiently(work: Callable[[], Awaitable[Answer]], seconds: float, say: Say) -> Answer:
    """Do *work*, again and again for *seconds* while it is :class:`NotYet` possible; each new reason is said once."""
    deadline = time.monotonic() + seconds
    said = ""
    while True:
        try:
            return await work()
        except NotYet as reason:
            if time.monotonic() >= deadline:
                raise
            if str(reason) != said:
                said = str(reason)
                say(f"waiting: {said}")
        await asyncio.sleep(LOOK_EVERY)


def _choose(found: DescribeWorkerDeploymentResponse, build: str | None) -> str:
    """The build of that name, or the newest one."""
    summaries = sorted(found.worker_deployment_info.version_summaries, key=lambda one: one.create_time.ToDatetime())
    known = [summary.deployment_version.build_id for summary in summaries]
    if build is None and known:
        return known[-1]
    if build is None or build not in known:
        raise NotYet(f"there is no build {build}, only {', '.join(known) or 'none'}; start a process of it first")
    return build


async def _routed(client: Client) -> None:
    """Wait until every queue knows; one that learns later only begins a little more on the build before."""
    deadline = time.monotonic() + ROUTED_WITHIN
    done = RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_COMPLETED
    while (await deployment(client)).worker_deployment_info.routing_config_update_state != done:
        if time.monotonic() > deadline:
            return
        await asyncio.sleep(LOOK_EVERY)


def _who_is_missing(build: str, queues: Sequence[str], regions: Sequence[str]) -> str:
    cures = ["a gateway or a pool"] if WORKFLOWS in queues else []
    silent = [region for region in regions if regional(region) in queues]
    cures += [f"`sternway pool --region {region}`" for region in silent]
    cure = f"no process of build {build} polls {', '.join(queues)}: start {' and '.join(cures)} of that build, or wait"
    leave = " ".join(f"--without {region}" for region in silent)
    return f"{cure} for it with --wait SECONDS{f', or go on {leave}' if leave else ''}"


def _what_runs(build: str, running: Sequence[Running]) -> str:
    named = ", ".join(one.workflow for one in running[:NAMED])
    more = f" and {len(running) - NAMED} more" if len(running) > NAMED else ""
    return (
        f"on build {build} still run {named}{more}; keep its processes until they have ended, or abort them with "
        "`sternway incidents abort`"
    )
