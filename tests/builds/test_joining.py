"""A Temporal that does not let a build join is asked less and less often, and the log says what is to be done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs
from temporalio.api.deployment.v1 import RoutingConfig, WorkerDeploymentInfo, WorkerDeploymentVersion
from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentResponse
from temporalio.client import Client

from workers.deployment.joining import DEPLOYMENT, PAUSE, join

BUILD = "A"
JOINED = DescribeWorkerDeploymentResponse(
    worker_deployment_info=WorkerDeploymentInfo(
        routing_config=RoutingConfig(
            current_deployment_version=WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=BUILD)
        )
    )
)


class Refusing(grpc.GenericRpcHandler):
    """A server that answers so many calls with *status*, and then that the build has joined."""

    def __init__(self, status: grpc.StatusCode, refusals: int) -> None:
        self._status, self._left = status, refusals

    def service(self, handler_call_details: Any) -> Any:
        connects = handler_call_details.method.endswith("/GetSystemInfo")
        answer = self._connect if connects else self._answer
        return grpc.unary_unary_rpc_method_handler(answer)  # pyright: ignore[reportUnknownMemberType] -- grpc has no types

    async def _connect(self, _request: bytes, _context: Any) -> bytes:
        return b""

    async def _answer(self, _request: bytes, context: Any) -> bytes:
        if self._left:
            self._left -= 1
            await context.abort(self._status, "not you")
        return JOINED.SerializeToString()


@asynccontextmanager
async def server(handler: Refusing) -> AsyncGenerator[Client]:
    serving: Any = grpc.aio.server()
    serving.add_generic_rpc_handlers((handler,))
    port = serving.add_insecure_port("127.0.0.1:0")
    await serving.start()
    try:
        yield await Client.connect(f"127.0.0.1:{port}")
    finally:
        await serving.stop(0)


@pytest.mark.parametrize(
    ("status", "cure"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, "the right to write"),
        (grpc.StatusCode.UNIMPLEMENTED, "upgrade it"),
        (grpc.StatusCode.UNAUTHENTICATED, "an identity"),
    ],
)
async def test_a_refusal_is_told_once_with_its_cure_and_asked_about_less_and_less_often(
    status: grpc.StatusCode, cure: str
) -> None:
    with capture_logs() as logged:
        async with server(Refusing(status, refusals=3)) as client:
            seconds = await time_of(join(client, BUILD))
    (error,) = [line for line in logged if line["log_level"] == "error"]
    assert cure in error["cure"]
    assert seconds > PAUSE * (2 + 4 + 8)


async def time_of(work: Awaitable[None]) -> float:
    began = time.monotonic()
    await asyncio.wait_for(work, 60)
    return time.monotonic() - began
