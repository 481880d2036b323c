"""A real Temporal server that can go away and come back on the same port with the same history."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from models.queues import WORKFLOWS
from workers.local.ports import free_ports
from workers.local.temporal import argv


class TemporalServer:
    def __init__(self, folder: Path) -> None:
        self.port, ui, metrics = free_ports(3)
        self._folder = folder
        self._argv = argv(folder / "temporal.db", self.port, ui, metrics)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin to start it; :meth:`client` waits until it is there."""
        self._process = subprocess.Popen(self._argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        """Kill it, as a crash would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def lose(self) -> None:
        """Kill it, and delete its database."""
        self.stop()
        for file in self._folder.glob("temporal.db*"):
            file.unlink()

    async def client(self) -> Client:
        for _ in range(100):
            try:
                client = await Client.connect(f"127.0.0.1:{self.port}", data_converter=pydantic_data_converter)
            except RuntimeError:
                await asyncio.sleep(0.1)
            else:
                return client
        raise AssertionError("the Temporal server did not come up within 10 s")


async def polls(temporal: Client) -> bool:
    """Whether Temporal has met a worker of the current build: for the first one this takes about a second."""
    queue = TaskQueue(name=WORKFLOWS)
    request = DescribeTaskQueueRequest(namespace=temporal.namespace, task_queue=queue)
    answer = await temporal.workflow_service.describe_task_queue(request)
    return bool(answer.versioning_info.current_deployment_version.build_id)
