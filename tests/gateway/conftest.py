"""A gateway for each test, and one Temporal server for all of them: each test leaves it without a running incident."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterator
from itertools import product
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from models.catalog import Level
from models.identity import correlation_key
from tests.gateway.running_gateway import CATALOG, Gateway, a_gateway, settings_for
from tests.gateway.temporal_server import TemporalServer, polls
from tests.waiting import until
from workers.local.ports import free_ports


@pytest.fixture(scope="session")
def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    server = TemporalServer(tmp_path_factory.mktemp("temporal"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def temporal(temporal_server: TemporalServer) -> AsyncGenerator[Client]:
    client = await temporal_server.client()
    yield client
    for name, service in CATALOG.catalog.services.items():
        for region, level in product(service.regions, Level):
            with contextlib.suppress(RPCError):  # none runs
                await client.get_workflow_handle(correlation_key(region, name, level)).terminate("the test has ended")


@pytest.fixture
async def gateway(tmp_path: Path, temporal_server: TemporalServer, temporal: Client) -> AsyncGenerator[Gateway]:
    """A gateway with Temporal."""
    async with a_gateway(settings_for(tmp_path, temporal_server.port)) as running:
        await until(lambda: polls(temporal), 10, "the gateway's worker polls")
        yield running


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncGenerator[Gateway]:
    """A gateway without Temporal."""
    async with a_gateway(settings_for(tmp_path, free_ports(1)[0])) as running:
        yield running
