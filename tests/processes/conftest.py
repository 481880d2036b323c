"""One small world for all tests here; each gets the bad release anew and a pool of two processes."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from tests.processes.service import Service
from tests.processes.standstill import standstills
from tests.world.world import World
from workers.local.world import TOKEN


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Service]:
    world = World(tmp_path_factory.mktemp("drain"))
    try:
        await world.start_temporal()
        await world.start()
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with (
            httpx.AsyncClient(base_url=world.gateway, headers=headers, trust_env=False, timeout=20) as gateway,
            standstills(world.folder) as points,
        ):
            temporal = await Client.connect(world.temporal, data_converter=pydantic_data_converter)
            found = Service(world, temporal, gateway, points)
            await world.start_gateway(found.environment)
            await found.start_pool()
            yield found
    finally:
        world.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def service(shared: Service) -> AsyncGenerator[Service]:
    """Payments on v2, with users; two processes poll."""
    shared.points.off()
    await shared.world.serve_v2()
    await shared.all_poll()
    async with shared.world.users():
        yield shared
