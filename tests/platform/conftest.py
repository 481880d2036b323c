"""One agent for all tests of a module that do not kill it, and one of its own for each that does."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.platform.agents import AgentProcess

SERVICE = "dispatch"
regions = (f"region-{number}" for number in itertools.count())


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[AgentProcess]:
    """An agent that the test may kill."""
    with AgentProcess(tmp_path / "data") as started:
        await started.register(SERVICE, "v1")
        yield started
        await started.client.aclose()


@pytest.fixture(scope="module")
def agent_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    with AgentProcess(tmp_path_factory.mktemp("platform") / "data") as started:
        yield started


@pytest.fixture
async def shared(agent_of_module: AgentProcess) -> AsyncIterator[AgentProcess]:
    """The module's agent with a region that no other test uses."""
    agent_of_module.region = next(regions)
    agent_of_module.connect()
    await agent_of_module.register(SERVICE, "v1")
    await agent_of_module.register(SERVICE, "v2")
    yield agent_of_module
    for resource in {(replica["service"], replica["release"]) for replica in await agent_of_module.replicas()}:
        await agent_of_module.want(f"end-{'-'.join(resource)}", resource[0], **{resource[1]: 0})
    await agent_of_module.client.aclose()
