"""One small real world with a store, for the tests that keep and check points; no gateway runs, the tests look."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from activities.analytics.store import Store, migrate, open_store
from activities.catalogs import Catalogs
from activities.directory import Directory
from tests.world.world import World
from workers.gateway.writing import Writer
from workers.points.keeper import PointKeeper


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_world(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    world = World(tmp_path_factory.mktemp("world"))
    try:
        await world.start()
        yield world
    finally:
        world.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def world(shared_world: World) -> AsyncGenerator[World]:
    """As after the deployment of v2, which is healthy; with users."""
    await shared_world.serve_v2()
    async with shared_world.users():
        yield shared_world


@dataclass
class Kept:
    """A store, and as many keepers of it as a test asks for."""

    store: Store
    writer: Writer
    world: World
    url: str
    keepers: list[PointKeeper] = field(default_factory=list)

    def keeper(self) -> PointKeeper:
        directory = Directory(Catalogs(self.world.catalog, lambda _digest: None), protect="", operate="")
        self.keepers.append(PointKeeper(self.world.catalog, self.store, self.writer, directory))
        return self.keepers[-1]


@pytest.fixture
def kept(world: World, tmp_path: Path) -> Iterator[Kept]:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    store = open_store(url)
    migrate(store)
    writer = Writer(store)
    yield Kept(store, writer, world, url)
    writer.close()
    store.close()
