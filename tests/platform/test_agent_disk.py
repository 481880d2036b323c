"""On a full disk the agent refuses what it could not keep; its replicas serve on, and all is made good afterwards."""

from __future__ import annotations

import os
import signal

from tests import disk
from tests.platform.agents import AgentProcess
from tests.waiting import until

SERVICE = "dispatch"


async def change(agent: AgentProcess, step: str, replicas: int) -> int:
    body = {"key": f"TEST:{step}:do:1", "fields": {"replicas/v1": replicas}}
    url = f"/v1/regions/{agent.region}/services/{SERVICE}/changes"
    return (await agent.client.post(url, json=body)).status_code


async def test_a_change_is_refused_with_nothing_half_done_and_made_when_there_is_room(agent: AgentProcess) -> None:
    assert await change(agent, "one", 1) == 200
    (replica,) = await agent.ready(1)
    read = f"/v1/regions/{agent.region}/services/{SERVICE}"
    before = (await agent.client.get(read)).json()
    with disk.full(agent.process.pid):
        assert await change(agent, "two", 2) == 503
        assert (await agent.client.get(read)).json() == before
        assert (await agent.client.post(f"http://{replica['address']}/dispatch")).status_code == 200
    assert await change(agent, "two", 2) == 200
    assert replica in await agent.ready(2)


async def test_a_replica_that_dies_meanwhile_is_replaced_when_there_is_room(agent: AgentProcess) -> None:
    assert await change(agent, "one", 1) == 200
    (first,) = await agent.ready(1)
    with disk.full(agent.process.pid):
        os.kill(first["pid"], signal.SIGKILL)

        async def gone() -> bool:
            return not await agent.replicas()

        await until(gone, 5, "the dead replica is listed no more")
        assert (await agent.client.get("/healthz")).status_code == 200
    (second,) = await agent.ready(1)
    assert second["id"] != first["id"]
    assert (await agent.client.post(f"http://{second['address']}/dispatch")).status_code == 200


async def test_everything_can_be_stopped_on_a_full_disk(agent: AgentProcess) -> None:
    assert await change(agent, "one", 1) == 200
    await agent.ready(1)
    with disk.full(agent.process.pid):
        assert (await agent.client.post("/v1/stop")).json() == {"stopped": 1}
        assert agent.process.wait(10) == 0
