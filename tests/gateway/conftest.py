"""A gateway for each test, and one Temporal server for all of them: their alert groups keep them apart."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.gateway.running_gateway import Gateway, a_gateway, settings_for
from tests.gateway.temporal_server import TemporalServer
from workers.local.ports import free_ports


@pytest.fixture(scope="session")
def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    server = TemporalServer(tmp_path_factory.mktemp("temporal"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def temporal(temporal_server: TemporalServer) -> Client:
    return await temporal_server.client()


@pytest.fixture
async def gateway(tmp_path: Path, temporal_server: TemporalServer, temporal: Client) -> AsyncGenerator[Gateway]:
    """A gateway with Temporal."""
    async with a_gateway(settings_for(tmp_path, temporal_server.port)) as running:
        await running.parts.connection.client()
        yield running


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncGenerator[Gateway]:
    """A gateway without Temporal."""
    async with a_gateway(settings_for(tmp_path, free_ports(1)[0])) as running:
        yield running
