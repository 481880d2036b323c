"""Moving users between releases loses no request."""

from __future__ import annotations

import pytest

from models.receipt import Fields
from tests.mesh.backend import Replica
from tests.mesh.load import Load, ask
from tests.mesh.stage import Stage
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_hundred_flips_of_the_weights_fail_no_request_and_each_is_in_force_when_it_is_answered(
    stage: Stage,
) -> None:
    generation = await stage.generation()
    async with Load(stage.port) as load:
        for turn in range(100):
            new, old = ("v2", "v1") if turn % 2 == 0 else ("v1", "v2")
            fields: Fields = {f"weight/{new}": 100, f"weight/{old}": 0}
            receipt = await stage.mesh.change(stage.key(), "payments", fields, generation + turn)
            assert (receipt.generation, receipt.pending) == (generation + turn + 1, ())
            assert await ask(stage.port) == f"200 {new}"
    assert load.failed == {}
    assert load.answers["200 v1"] > 50
    assert load.answers["200 v2"] > 50


async def test_a_release_that_is_routed_away_then_drained_can_be_killed_under_load(stage: Stage) -> None:
    stage.two.delay = 0.2
    await stage.mesh.change(stage.key(), "payments", {"weight/v1": 50, "weight/v2": 50}, None)
    async with Load(stage.port) as load:
        await until(lambda: stage.two.in_flight > 5, 5, "v2 has requests in flight")
        await stage.mesh.change(stage.key(), "payments", {"weight/v1": 100, "weight/v2": 0}, None)
        receipt = await stage.mesh.change(stage.key(), "payments", {"drain/v2": True}, None)
        assert receipt.pending == ()
        await until(lambda: stage.two.in_flight == 0, 5, "v2 has finished its requests")
        stage.two.kill()
        stage.agent.set(stage.one, stage.far, stage.cache)
        after = load.total + 100
        await until(lambda: load.total > after, 5, "a hundred requests more")
    assert load.failed == {}
    assert load.answers["200 v2"] > 5


async def test_replicas_that_the_platform_drains_get_nothing_new_and_it_hears_so(stage: Stage) -> None:
    async with Load(stage.port) as load:
        version = stage.agent.set(stage.one, stage.far, stage.two, stage.cache, draining=(stage.one,))
        await until(lambda: stage.agent.seen == version, 5, "the mesh has come back for the next version")
        await until(lambda: stage.one.in_flight == 0, 5, "the drained replica is idle")
        stage.one.kill()
        after = load.total + 100
        await until(lambda: load.total > after, 5, "a hundred requests more")
    assert load.failed == {}


async def test_the_last_replica_beside_one_that_drains_is_kept_however_badly_it_answers(stage: Stage) -> None:
    going = await Replica("payments", "v1", "eu").start()
    version = stage.agent.set(stage.one, going, stage.two, stage.cache, draining=(going,))
    await until(lambda: stage.agent.seen == version, 5, "the mesh has come back for the next version")
    stage.one.status = 500
    async with Load(stage.port) as load:
        await until(lambda: load.total > 300, 10, "more errors than eject a replica")
    going.kill()
    assert set(load.answers) == {"500 v1"}


async def test_when_the_region_s_replicas_die_unannounced_those_of_another_region_answer(stage: Stage) -> None:
    stage.one.delay = 0.02
    async with Load(stage.port) as load:
        await until(lambda: load.total > 100, 5, "requests are served")
        stage.one.kill()
        after = load.total + 300
        await until(lambda: load.total > after, 10, "three hundred requests more")
    assert load.failed == {}


async def test_a_draining_release_that_is_given_weight_again_by_an_undo_still_answers(stage: Stage) -> None:
    route = stage.key()
    await stage.mesh.change(route, "payments", {"weight/v1": 0, "weight/v2": 100}, None)
    await stage.mesh.change(stage.key(), "payments", {"drain/v1": True}, None)
    await stage.mesh.undo(route, "payments")
    assert await ask(stage.port) == "200 v1"


async def test_a_release_that_is_admitted_again_answers_its_share_at_once(stage: Stage) -> None:
    for _ in range(5):
        await stage.mesh.change(stage.key(), "payments", {"weight/v1": 100, "weight/v2": 0}, None)
        await stage.mesh.change(stage.key(), "payments", {"drain/v2": True}, None)
        await stage.mesh.change(stage.key(), "payments", {"drain/v2": None}, None)
        await stage.mesh.change(stage.key(), "payments", {"weight/v1": 0, "weight/v2": 100}, None)
        assert await ask(stage.port) == "200 v2"


async def test_a_fresh_replica_gets_its_share_little_by_little_and_no_request_fails(stage: Stage) -> None:
    fresh = await Replica("payments", "v1", "eu").start()
    async with Load(stage.port) as load:
        await until(lambda: load.total > 250 * 6, 15, "the first replica has served for longer than it counts as fresh")
        stage.agent.set(stage.one, fresh, stage.two, stage.far, stage.cache)
        await until(lambda: fresh.served.total() > 0, 5, "the fresh replica serves")
        first = await share(fresh, stage.one)

        async def even() -> bool:
            return await share(fresh, stage.one) > 0.4

        await until(even, 15, "both replicas serve alike")
    fresh.kill()
    assert first < 0.35
    assert load.failed == {}


async def share(replica: Replica, other: Replica) -> float:
    """The part of the next 150 requests that *replica* gets."""
    before, others = replica.served.total(), other.served.total()
    await until(lambda: replica.served.total() + other.served.total() >= before + others + 150, 5, "150 requests")
    return (replica.served.total() - before) / (replica.served.total() + other.served.total() - before - others)
