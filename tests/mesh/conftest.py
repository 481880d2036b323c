from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.mesh.stage import Stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One region for all tests of a module, because its processes take seconds to start."""
    async with Stage(tmp_path_factory.mktemp("region")) as region:
        yield region


@pytest_asyncio.fixture(loop_scope="module")
async def stage(running: Stage) -> Stage:
    """The region as it is at its start: all replicas answer, all goes to v1, nothing is protected."""
    await running.reset()
    return running
