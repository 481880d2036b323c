"""The agent while it lives: readiness, draining, replacement with a pause, and who may tell it what to do."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from fastapi import HTTPException, Request

from models.settings import Settings
from tests.platform.agents import ROOT, TOKEN, AgentProcess
from tests.waiting import until
from workers.local.agent import process
from workers.local.agent.access import operator

SERVICE = "dispatch"


async def poll(agent: AgentProcess, after: int, watcher: str = "mesh-eu") -> dict[str, Any]:
    query = {"after": after, "wait": 10, "watcher": watcher}
    return (await agent.client.get("/v1/replicas", params=query)).json()


async def test_a_replica_is_starting_until_it_answers_and_then_ready(agent: AgentProcess) -> None:
    view = await poll(agent, -1)
    await agent.want("scale", SERVICE, v1=1)
    seen: list[str] = []
    while "ready" not in seen:
        view = await poll(agent, view["version"])
        seen += [replica["status"] for replica in view["replicas"]]
    assert seen == ["starting", "ready"]
    (replica,) = view["replicas"]
    assert {k: replica[k] for k in ("region", "service", "release")} == {
        "region": "eu",
        "service": SERVICE,
        "release": "v1",
    }
    answer = await agent.client.post(f"http://{replica['address']}/dispatch")
    assert answer.json()["replica"] == replica["id"]


async def test_a_replica_is_not_ended_before_the_meshes_have_had_its_draining(agent: AgentProcess) -> None:
    await agent.want("up", SERVICE, v1=1)
    (replica,) = await agent.ready(1)
    view = await poll(agent, -1)
    await agent.want("down", SERVICE, v1=0)
    view = await poll(agent, view["version"])
    assert [r["status"] for r in view["replicas"]] == ["draining"]
    await asyncio.sleep(0.5)  # the mesh is at work with it: nothing may happen in that time
    assert process.identify(replica["pid"])
    view = await poll(agent, view["version"])
    assert view["replicas"] == []
    assert process.identify(replica["pid"]) is None


async def test_a_request_in_flight_is_answered_before_its_replica_ends(shared: AgentProcess) -> None:
    port = (await shared.client.get("/healthz")).url.port  # an address that will never serve: nobody pays through it
    downstream = f'{{"{shared.region}": {{"ledger": "http://127.0.0.1:{port}"}}}}'
    slow = {"PYTHONPATH": str(ROOT), "DOWNSTREAM": downstream, "FAULT": "latency"}
    command = [sys.executable, "-m", "deploy.demo.fleet.service"]
    await shared.register("payments", "v2", {"command": command, "env": slow})
    await shared.want("up", "payments", v2=1)
    (replica,) = await shared.ready(1)
    async with httpx.AsyncClient(base_url=f"http://{replica['address']}") as client:
        flying = [asyncio.create_task(client.post("/pay")) for _ in range(20)]
        done, pending = await asyncio.wait(flying, timeout=0.5)
        assert done
        assert pending
        await shared.want("down", "payments", v2=0)
        answers = await asyncio.gather(*flying)
    assert {answer.json()["replica"] for answer in answers} == {replica["id"]}


async def test_scaling_down_takes_the_unready_first(shared: AgentProcess) -> None:
    stuck = {"command": [sys.executable, "-c", "import time; time.sleep(60)"], "env": {}}
    await shared.want("one", SERVICE, v1=1)
    (serving,) = await shared.ready(1)
    await shared.register(SERVICE, "v1", stuck)
    await shared.want("two", SERVICE, v1=2)
    await until(agent_has(shared, 2), 5, "a second replica")
    await shared.want("three", SERVICE, v1=1)
    await until(agent_has(shared, 1), 5, "one replica")
    assert await shared.replicas() == [serving]


def agent_has(shared: AgentProcess, count: int) -> Any:
    async def has() -> bool:
        return len(await shared.replicas()) == count

    return has


async def test_a_replica_that_dies_at_once_is_replaced_ever_more_slowly(shared: AgentProcess) -> None:
    program = "import time; print(time.time(), flush=True)"
    await shared.register(SERVICE, "v2", {"command": [sys.executable, "-c", program], "env": {}})
    await shared.want("scale", SERVICE, v2=1)
    log = shared.data / "logs" / f"{shared.region}-{SERVICE}-v2.log"
    await until(lambda: log.exists() and len(log.read_text().splitlines()) >= 4, 15, "four attempts")
    starts = [float(line) for line in log.read_text().splitlines()]
    for attempt, (earlier, later) in enumerate(pairwise(starts[:4])):
        assert later - earlier >= 0.2 * 2**attempt


async def test_a_command_that_does_not_exist_is_tried_again_and_harms_nobody_else(shared: AgentProcess) -> None:
    await shared.register(SERVICE, "v2", {"command": ["/nowhere/to/be/found"], "env": {}})
    await shared.want("scale", SERVICE, v1=1, v2=1)
    await shared.ready(1, ["v1"])
    await shared.register(SERVICE, "v2")
    await shared.want("more", SERVICE, v2=1)
    await shared.ready(2)


async def test_a_killed_replica_is_replaced(shared: AgentProcess) -> None:
    await shared.want("scale", SERVICE, v1=1)
    (first,) = await shared.ready(1)
    os.kill(first["pid"], signal.SIGKILL)
    await until(lambda: process.identify(first["pid"]) is None, 5, "the replica's end")

    async def successor() -> bool:
        return [r["status"] for r in await shared.replicas() if r["id"] != first["id"]] == ["ready"]

    await until(successor, 10, "a ready successor")


async def test_deployments_are_listed_newest_first_and_recorded_once_a_key(shared: AgentProcess) -> None:
    await shared.register(SERVICE, "v2")
    url = f"/v1/regions/{shared.region}/services/{SERVICE}"
    for release, key in (("v1", "a"), ("v2", "b"), ("v1", "a")):
        response = await shared.client.post(f"{url}/deployments", json={"release": release, "key": key})
        assert response.json()["release"] == release
    assert [d["release"] for d in (await shared.client.get(url)).json()["deployments"]] == ["v2", "v1"]
    unknown = await shared.client.post(f"{url}/deployments", json={"release": "v9", "key": "c"})
    assert unknown.status_code == 422
    assert "v9" in unknown.json()["detail"]


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("wrong", 401), ("protect-token", 403)])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/v1/regions/eu/services/{SERVICE}/changes"),
        ("POST", f"/v1/regions/eu/services/{SERVICE}/undo"),
        ("POST", f"/v1/regions/eu/services/{SERVICE}/deployments"),
        ("PUT", f"/v1/services/{SERVICE}/releases/v1"),
        ("POST", "/v1/stop"),
    ],
)
async def test_nothing_is_changed_without_the_operate_token(
    shared: AgentProcess, token: str | None, status: int, method: str, path: str
) -> None:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=shared.url, headers=headers) as client:
        body = {"key": "T:s:do:1", "fields": {"replicas/v1": 1}, "release": "v1", "command": ["true"]}
        assert (await client.request(method, path, json=body)).status_code == status
    assert (await shared.client.get(f"/v1/regions/eu/services/{SERVICE}")).json()["generation"] == 0


def test_an_agent_without_a_token_lets_nobody_in() -> None:
    for header in ([], [(b"authorization", b"Bearer ")]):
        with pytest.raises(HTTPException) as refused:
            operator(Settings(operate_token=None))(Request({"type": "http", "headers": header}))
        assert refused.value.status_code == 403


async def test_a_replica_gets_what_its_release_says_and_none_of_the_agents_secrets(shared: AgentProcess) -> None:
    await shared.want("scale", SERVICE, v1=1)
    (replica,) = await shared.ready(1)
    environment = psutil.Process(replica["pid"]).environ()
    assert TOKEN not in str(environment)
    ours = {name.removeprefix("STERNWAY_") for name in environment if name.startswith("STERNWAY_")}
    assert ours == {"FD", "REPLICA", "REGION", "SERVICE", "RELEASE"}
    assert set(environment) <= {f"STERNWAY_{n}" for n in ours} | {"PATH", "LANG", "PYTHONPATH", "DOWNSTREAM", "FAULT"}


async def test_a_second_agent_on_the_same_folder_and_one_on_a_taken_port_say_what_to_do(
    shared: AgentProcess, tmp_path: Path
) -> None:
    port = shared.url.rpartition(":")[2]
    for data, taken, cure in ((shared.data, "0", "name another folder"), (tmp_path / "other", port, "another --port")):
        command = [sys.executable, "-c", "from workers.cli.main import run; run()", "agent"]
        ended = await asyncio.create_subprocess_exec(
            *command, "--data", str(data), "--port", taken, cwd=ROOT, stderr=asyncio.subprocess.PIPE
        )
        _, said = await asyncio.wait_for(ended.communicate(), 20)
        assert ended.returncode == 2
        assert cure in said.decode()
        assert "Traceback" not in said.decode()
