"""Replicas outlive their agent, and the next agent takes over exactly those, whatever instant the last one died at."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from models.base import SternwayError
from tests.platform.agents import AgentProcess
from tests.waiting import until
from workers.local.agent import process
from workers.local.agent.launch import adopt
from workers.local.agent.rows import Row, open_rows
from workers.local.agent.stop import stop_everything

SERVICE = "dispatch"


def alive(pid: int) -> bool:
    return process.identify(pid) is not None


def replica_processes(data: Path) -> set[int]:
    """Every live process of a recorded replica, found without the agent's own records of pids."""
    ledger, rows = open_rows(data)
    found = process.find(row.id for row in rows.replicas())
    ledger.close()
    return {identity.pid for identity in found.values()}


async def test_the_next_agent_takes_over_the_same_processes_and_lists_them_ready_at_once(agent: AgentProcess) -> None:
    await agent.want("scale", SERVICE, v1=2)
    before = {replica["id"]: replica for replica in await agent.ready(2)}
    version = (await agent.client.get("/v1/replicas")).json()["version"]
    agent.kill()
    for replica in before.values():
        assert (await agent.client.post(f"http://{replica['address']}/dispatch")).status_code == 200
    agent.start()
    view = (await agent.client.get("/v1/replicas")).json()
    assert {replica["id"]: replica for replica in view["replicas"]} == before
    assert view["version"] > version


async def test_the_agent_sees_an_adopted_replica_die_and_replaces_it(agent: AgentProcess) -> None:
    await agent.want("scale", SERVICE, v1=1)
    (first,) = await agent.ready(1)
    agent.kill()
    agent.start()
    os.kill(first["pid"], signal.SIGKILL)

    async def replaced() -> bool:
        listed = await agent.replicas()
        return [r["status"] for r in listed] == ["ready"] and listed[0]["id"] != first["id"]

    await until(replaced, 10, "a ready successor of the killed replica")


async def test_a_replica_that_died_while_there_was_no_agent_is_replaced(agent: AgentProcess) -> None:
    await agent.want("scale", SERVICE, v1=1)
    (first,) = await agent.ready(1)
    agent.kill()
    os.kill(first["pid"], signal.SIGKILL)
    await until(lambda: not alive(first["pid"]), 5, "the replica's end")
    agent.start()
    (second,) = await agent.ready(1)
    assert second["id"] != first["id"]


async def test_a_child_that_was_started_but_not_recorded_is_found_by_its_environment(agent: AgentProcess) -> None:
    await agent.want("scale", SERVICE, v1=1)
    (before,) = await agent.ready(1)
    agent.kill()
    ledger, _ = open_rows(agent.data)
    with ledger.transaction() as connection:  # as a kill between the start and its recording leaves it
        connection.execute("UPDATE replicas SET pid = NULL, created = NULL")
    ledger.close()
    agent.start()
    assert await agent.ready(1) == [before]


@pytest.mark.parametrize("seed", range(2))
async def test_killed_at_any_instant_of_scaling_it_loses_and_doubles_nothing(agent: AgentProcess, seed: int) -> None:
    instants = random.Random(seed)
    for attempt, count in enumerate((3, 1, 2)):
        await agent.want(f"scale-{attempt}", SERVICE, v1=count)
        await asyncio.sleep(instants.uniform(0, 0.15))  # the instant of death is the subject
        agent.kill()
        agent.start()
    settled = await agent.ready(2)
    assert replica_processes(agent.data) == {replica["pid"] for replica in settled}


async def test_a_process_that_inherited_the_pid_of_a_replica_is_left_alone(agent: AgentProcess) -> None:
    agent.kill()
    bystander = await asyncio.create_subprocess_exec("sleep", "60")
    ledger, rows = open_rows(agent.data)
    rows.add(Row("01PREDECESSOR", "eu", SERVICE, "v1", 1))
    rows.started("01PREDECESSOR", process.Identity(bystander.pid, "another-boot/1"))
    ledger.close()
    assert stop_everything(agent.data) == 0
    assert bystander.returncode is None
    bystander.kill()
    await bystander.wait()


def test_a_zombie_is_dead(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as zombie:
        identity = process.identify(zombie.pid)
        assert identity
        ledger, rows = open_rows(tmp_path)
        rows.add(Row("01ZOMBIE", "eu", SERVICE, "v1", 1))
        rows.started("01ZOMBIE", identity)
        assert [row.id for row in adopt(rows)] == ["01ZOMBIE"]
        zombie.kill()
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)  # ended, and not taken away
        assert adopt(rows) == ()
        assert rows.replicas() == ()
        ledger.close()


async def test_a_terminated_agent_leaves_with_status_0_and_leaves_its_replicas_running(agent: AgentProcess) -> None:
    await agent.want("scale", SERVICE, v1=1)
    (replica,) = await agent.ready(1)
    version = (await agent.client.get("/v1/replicas")).json()["version"]
    query = {"after": version, "wait": 30}
    polling = asyncio.create_task(agent.client.get("/v1/replicas", params=query))
    await asyncio.sleep(0.3)  # let the poll begin; if it has not, it is only refused
    agent.process.terminate()
    assert (await polling).json()["version"] == version
    assert await asyncio.to_thread(agent.process.wait, 10) == 0
    assert alive(replica["pid"])


async def test_stop_ends_every_replica_and_the_agent(agent: AgentProcess) -> None:
    await agent.want("scale", SERVICE, v1=2)
    pids = {replica["pid"] for replica in await agent.ready(2)}
    assert (await agent.client.post("/v1/stop")).json() == {"stopped": 2}
    assert agent.process.wait(10) == 0
    assert not any(alive(pid) for pid in pids)


async def test_without_an_agent_everything_can_be_stopped_and_a_deaf_replica_is_ended_by_force(
    agent: AgentProcess,
) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    await agent.register(SERVICE, "deaf", {"command": [sys.executable, "-c", deaf], "env": {}})
    await agent.want("scale", SERVICE, v1=1, deaf=1)
    log = agent.data / "logs" / f"eu-{SERVICE}-deaf.log"
    await until(lambda: log.exists() and "deaf" in log.read_text(), 10, "the deaf replica")
    pids = {replica["pid"] for replica in await agent.replicas()}
    with pytest.raises(SternwayError, match="already runs"):
        stop_everything(agent.data)
    agent.kill()
    assert stop_everything(agent.data, patience=1) == 2
    assert not any(alive(pid) for pid in pids)
    assert stop_everything(agent.data) == 0
