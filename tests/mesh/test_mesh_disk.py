"""On a full disk the control plane refuses what it could not keep, and goes on serving and lifting."""

from __future__ import annotations

import pytest
from ulid import ULID

from activities.driver import Unavailable
from models.catalog import FallbackAction, LimitAction, Protection
from models.lease import LeaseRequest
from models.receipt import Outcome
from tests import disk
from tests.mesh.backend import Replica
from tests.mesh.load import Load, ask
from tests.mesh.stage import Stage
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def request(protection: Protection, seconds: float) -> LeaseRequest:
    return LeaseRequest(id=str(ULID()), owner="01OWNER", service="payments", protection=protection, seconds=seconds)


async def test_a_change_is_refused_with_nothing_half_done_and_made_when_there_is_room(stage: Stage) -> None:
    before, key = await stage.mesh.read("payments"), stage.key()
    protection = request(FallbackAction(share=100), 60)
    async with Load(stage.port) as load:
        with disk.full(stage.pid("plane")):
            with pytest.raises(Unavailable, match=r"503 .*nothing was changed"):
                await stage.mesh.change(key, "payments", {"weight/v1": 0, "weight/v2": 100}, before.generation)
            with pytest.raises(Unavailable, match=r"503 .*nothing was changed"):
                await stage.protector.take(protection)
            assert await stage.mesh.read("payments") == before
            after = load.total + 100
            await until(lambda: load.total > after, 5, "a hundred requests on a full disk")
            assert load.answers.keys() == {"200 v1"}
        receipt = await stage.mesh.change(key, "payments", {"weight/v1": 0, "weight/v2": 100}, before.generation)
        assert (receipt.outcome, receipt.generation) == (Outcome.APPLIED, before.generation + 1)
        assert await ask(stage.port) == "200 v2"
    assert load.failed == {}
    assert (await stage.protector.take(protection)).active


async def test_what_lapses_is_lifted_all_the_same_and_other_protection_stays(stage: Stage) -> None:
    kept = await stage.protector.take(request(LimitAction(max_requests=7), 60))
    await stage.protector.take(request(FallbackAction(share=100), 1))
    with disk.full(stage.pid("plane")):
        assert await ask(stage.port) == "200 c1"

        async def lifted() -> bool:
            return await ask(stage.port) == "200 v1"

        await until(lifted, 8, "the fallback is lifted")
        assert await stage.answering()
        assert [lease["id"] for lease in stage.status["leases"]] == [kept.id]
        assert "max_requests" in (await stage.client.get(f"http://127.0.0.1:{stage.envoy_admin}/runtime")).text
    await until(lambda: stage.logs("plane").count("protection lapsed") > 0, 5, "the lapse is recorded")
    stage.stop("plane")
    stage.start("plane")
    await stage.settled()
    assert [lease["id"] for lease in stage.status["leases"]] == [kept.id]


async def test_replicas_that_come_and_go_meanwhile_are_routed_to(stage: Stage) -> None:
    other = await Replica("payments", "v1", "eu").start()
    try:
        async with Load(stage.port) as load:
            with disk.full(stage.pid("plane")):
                stage.agent.set(other, stage.two, stage.cache)
                await stage.settled()
                stage.one.kill()
                stage.far.kill()
                after = load.total + 100
                await until(lambda: load.total > after, 5, "a hundred requests by the new replica")
        assert load.failed == {}
    finally:
        other.kill()
