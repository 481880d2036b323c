"""One scene for all tests here; each begins with everything up and v2 in service."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.recovery.scene import Scene


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Scene]:
    scene = Scene(tmp_path_factory.mktemp("scene"))
    try:
        await scene.start()
        yield scene
    finally:
        scene.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def scene(shared_scene: Scene) -> AsyncGenerator[Scene]:
    """As after the deployment of v2, with users; every part runs."""
    await shared_scene.bring_back_temporal()
    await shared_scene.serve_v2()
    async with shared_scene.users():
        yield shared_scene
