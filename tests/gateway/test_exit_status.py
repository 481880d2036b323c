"""A command that has used Temporal's client ends with its own status, and is not aborted by that client's threads."""

from __future__ import annotations

import asyncio
import os
import sys

from tests.gateway.temporal_server import TemporalServer


async def test_it_is_the_same_every_time(temporal_server: TemporalServer) -> None:
    """Every fourth was aborted before."""
    await temporal_server.client()
    environment = {**os.environ, "STERNWAY_TEMPORAL_ADDRESS": f"127.0.0.1:{temporal_server.port}"}

    async def status() -> int | None:
        command, silent = [sys.executable, "-m", "workers.cli", "upgrade", "status"], asyncio.subprocess.DEVNULL
        asked = await asyncio.create_subprocess_exec(*command, env=environment, stdout=silent, stderr=silent)
        return await asked.wait()

    ended = [await asyncio.gather(*(status() for _ in range(3))) for _ in range(5)]
    statuses = {one for together in ended for one in together}
    assert statuses <= {0, 1}
    assert len(statuses) == 1
