"""Replacing the replica that has run longest: one, once, and never before its successor serves."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.platform.agents import AgentProcess
from tests.waiting import until

SERVICE = "dispatch"
NEVER_READY = {"command": [sys.executable, "-c", "import time; time.sleep(60)"], "env": {}}
"""A program that runs and serves nobody: its replica is alive and does not become ready. The agent ends it."""


async def two(agent: AgentProcess) -> list[str]:
    """Ids of two ready replicas, the older first."""
    await agent.want("scale", SERVICE, v1=2)
    return sorted(replica["id"] for replica in await agent.ready(2))


async def replaced(agent: AgentProcess, gone: str) -> list[str]:
    """Ids of the two that are left once *gone* has gone, the older first."""

    async def settled() -> list[dict[str, Any]]:
        listed = await agent.replicas()
        there = len(listed) == 2 and all(replica["status"] == "ready" for replica in listed)
        return listed if there and gone not in {replica["id"] for replica in listed} else []

    return sorted(replica["id"] for replica in await until(settled, 15, "two ready replicas without the oldest"))


async def ready(agent: AgentProcess) -> int:
    read = await agent.client.get(f"/v1/regions/{agent.region}/services/{SERVICE}")
    return read.json()["ready"].get("v1", 0)


async def test_the_oldest_goes_and_the_others_stay(shared: AgentProcess) -> None:
    oldest, other = await two(shared)
    await shared.restart("restart", SERVICE)
    left = await replaced(shared, oldest)
    assert left[0] == other
    assert left[1] > other


async def test_repeating_the_key_replaces_no_other_one(shared: AgentProcess) -> None:
    oldest, _ = await two(shared)
    await shared.restart("restart", SERVICE)
    left = await replaced(shared, oldest)
    await shared.restart("restart", SERVICE)
    await shared.want("again", SERVICE, v1=3)
    assert {*left} < {replica["id"] for replica in await shared.ready(3)}


async def test_two_restarts_replace_two(shared: AgentProcess) -> None:
    before = await two(shared)
    await shared.restart("one", SERVICE)
    await shared.restart("two", SERVICE)
    await until(lambda: _none_of(shared, before), 15, "two new replicas")


async def _none_of(agent: AgentProcess, before: list[str]) -> bool:
    listed = await agent.replicas()
    return len(listed) == 2 and not {replica["id"] for replica in listed} & {*before}


async def test_as_long_as_no_successor_serves_the_oldest_does_and_is_not_counted(shared: AgentProcess) -> None:
    oldest, other = await two(shared)
    await shared.register(SERVICE, "v1", NEVER_READY)
    await shared.restart("restart", SERVICE)
    assert await ready(shared) == 1
    await until(lambda: _starting(shared), 15, "a successor")
    assert {r["id"] for r in await shared.replicas() if r["status"] == "ready"} == {oldest, other}


async def _starting(agent: AgentProcess) -> bool:
    return "starting" in {replica["status"] for replica in await agent.replicas()}


async def test_undoing_keeps_the_oldest_while_it_still_serves(shared: AgentProcess) -> None:
    before = await two(shared)
    await shared.register(SERVICE, "v1", NEVER_READY)
    await shared.restart("restart", SERVICE)
    body = {"key": f"TEST:{shared.region}-restart:do:1"}
    undone = await shared.client.post(f"/v1/regions/{shared.region}/services/{SERVICE}/undo", json=body)
    assert undone.json()["outcome"] == "restored"
    assert sorted(replica["id"] for replica in await shared.ready(2)) == before


@pytest.mark.parametrize("value", [1, "soon", None], ids=str)
async def test_a_restart_is_named_by_a_time(shared: AgentProcess, value: object) -> None:
    before = await two(shared)
    body = {"key": f"TEST:{shared.region}-restart:do:1", "fields": {"restarted/v1": value}}
    answer = await shared.client.post(f"/v1/regions/{shared.region}/services/{SERVICE}/changes", json=body)
    assert answer.status_code == 422
    assert sorted(replica["id"] for replica in await shared.ready(2)) == before


async def test_the_next_agent_finishes_what_the_one_before_had_begun(agent: AgentProcess) -> None:
    oldest, other = await two(agent)
    await agent.restart("restart", SERVICE)
    agent.kill()
    agent.start()
    left = await replaced(agent, oldest)
    assert left[0] == other
