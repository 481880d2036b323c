"""Whatever of the mesh is killed, requests are served and nothing that was answered is lost."""

from __future__ import annotations

import pytest

from tests.mesh.load import Load, ask
from tests.mesh.stage import Stage
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_killed_control_plane_fails_no_request_and_comes_back_with_every_answered_change(stage: Stage) -> None:
    key = stage.key()
    async with Load(stage.port) as load:
        receipt = await stage.mesh.change(key, "payments", {"weight/v1": 0, "weight/v2": 100}, None)
        stage.stop("plane")
        after = load.total + 300
        await until(lambda: load.total > after, 10, "three hundred requests without a control plane")
        stage.start("plane")
        await stage.settled()
        read = await stage.mesh.read("payments")
        assert (read.generation, read.missing) == (receipt.generation, ())
        assert await ask(stage.port) == "200 v2"
        assert (await stage.mesh.undo(key, "payments")).pending == ()
        assert await ask(stage.port) == "200 v1"
    assert load.failed == {}


async def test_a_control_plane_that_comes_back_sends_a_proxy_nothing_that_it_has(stage: Stage) -> None:
    before = await stage.statistics("update_success|config_reload$")
    stage.stop("plane")
    stage.start("plane")
    await stage.settled()
    after = await stage.statistics("update_success|config_reload$")
    moved = {name for name in before if "control_plane" not in name and after[name] != before[name]}
    assert moved == set()


async def test_a_killed_proxy_comes_back_with_the_routing_of_the_time(stage: Stage) -> None:
    stage.stop("envoy")
    stage.start("envoy")
    await stage.settled()
    assert await ask(stage.port) == "200 v1"


async def test_with_both_killed_the_proxy_alone_serves_on_the_last_known_good(stage: Stage) -> None:
    await stage.mesh.change(stage.key(), "payments", {"weight/v1": 0, "weight/v2": 100}, None)
    await until(lambda: stage.last_good_routes_to("v2"), 5, "the last-known-good file has the change")
    stage.stop("plane")
    stage.stop("envoy")
    stage.start("envoy")

    async def served() -> bool:
        return await ask(stage.port) == "200 v2"

    await until(served, 15, "the proxy serves without a control plane")
    async with Load(stage.port) as load:
        await until(lambda: load.total > 100, 5, "requests are served")
        stage.start("plane")
        await stage.settled()
        assert (
            await stage.mesh.change(stage.key(), "payments", {"weight/v1": 100, "weight/v2": 0}, None)
        ).pending == ()
        assert await ask(stage.port) == "200 v1"
    assert load.failed == {}


async def test_a_standby_never_takes_a_proxy_back_to_an_older_state(stage: Stage) -> None:
    stage.stop("envoy")
    stage.start("envoy")
    await stage.settled()
    await stage.mesh.change(stage.key(), "payments", {"weight/v1": 0, "weight/v2": 100}, None)
    stage.stop("plane")
    async with Load(stage.port) as load:
        await until(lambda: "proxy connected" in stage.logs("envoy").rpartition("main")[2], 5, "the standby is asked")
        await until(lambda: load.total > 500, 10, "five hundred requests are served")
    assert load.answers.keys() == {"200 v2"}


async def test_replicas_that_were_known_stay_when_their_agent_is_away_even_over_a_restart(stage: Stage) -> None:
    stage.agent.kill()
    stage.stop("plane")
    stage.start("plane")
    await until(stage.answering, 10, "the control plane answers")
    stage.stop("envoy")
    stage.start("envoy")

    async def served() -> bool:
        return await ask(stage.port) == "200 v1"

    await until(served, 10, "requests are served")
    await stage.agent.restart()
