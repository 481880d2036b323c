"""Changes are idempotent, fenced, compared with the generation, taken back, and refused where they would do harm."""

from __future__ import annotations

import socket

import pytest

from activities.driver import Moved, Refused
from models.receipt import Fields, Outcome
from tests.mesh.load import Load, ask
from tests.mesh.stage import Stage
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TO_V2: Fields = {"weight/v1": 0, "weight/v2": 100}
TO_V1: Fields = {"weight/v1": 100, "weight/v2": 0}


async def test_a_repeated_key_gets_the_first_receipt_and_changes_nothing(stage: Stage) -> None:
    key = stage.key()
    first = await stage.mesh.change(key, "payments", TO_V2, await stage.generation())
    await stage.mesh.change(stage.key(), "payments", TO_V1, None)
    assert await stage.mesh.change(key, "payments", TO_V2, 0) == first
    assert await ask(stage.port) == "200 v1"


async def test_a_change_for_a_generation_that_has_moved_on_is_a_conflict(stage: Stage) -> None:
    stale = await stage.generation()
    await stage.mesh.change(stage.key(), "payments", TO_V2, stale)
    with pytest.raises(Moved) as raised:
        await stage.mesh.change(stage.key(), "payments", TO_V1, stale)
    assert raised.value.conflict.generation == stale + 1
    assert raised.value.conflict.state == TO_V2


async def test_an_undo_brings_back_what_was_before(stage: Stage) -> None:
    key = stage.key()
    await stage.mesh.change(key, "payments", TO_V2, None)
    receipt = await stage.mesh.undo(key, "payments")
    assert (receipt.outcome, receipt.pending) == (Outcome.RESTORED, ())
    assert await ask(stage.port) == "200 v1"
    assert await stage.mesh.undo(key, "payments") == receipt


async def test_an_undo_leaves_somebody_else_s_newer_change_alone(stage: Stage) -> None:
    key = stage.key()
    await stage.mesh.change(key, "payments", TO_V2, None)
    await stage.mesh.change(stage.key(), "payments", {"weight/v1": 10, "weight/v2": 90}, None)
    assert (await stage.mesh.undo(key, "payments")).outcome is Outcome.SUPERSEDED
    assert (await stage.mesh.read("payments")).weights == {"v1": 10, "v2": 90}


async def test_undoing_what_never_came_keeps_the_late_change_out(stage: Stage) -> None:
    key = stage.key()
    assert (await stage.mesh.undo(key, "payments")).outcome is Outcome.NEVER_HAPPENED
    with pytest.raises(Refused, match="410"):
        await stage.mesh.change(key, "payments", TO_V2, None)
    assert await ask(stage.port) == "200 v1"


async def test_the_receipts_of_an_incident_are_its_own_and_in_the_order_of_its_changes(stage: Stage) -> None:
    key, other = stage.key(), stage.key()
    first = await stage.mesh.change(key, "payments", TO_V2, None)
    await stage.mesh.change(other, "payments", TO_V1, None)
    undone = await stage.mesh.undo(key, "payments")
    assert await stage.mesh.receipts(key.incident) == (first, undone)
    assert first.resource == "payments"
    assert await stage.mesh.receipts("nobody") == ()


async def test_a_fenced_incident_changes_nothing_more_and_can_still_be_undone(stage: Stage) -> None:
    key = stage.key()
    first = await stage.mesh.change(key, "payments", TO_V2, None)
    fence = await stage.mesh.fence(key.incident)
    assert await stage.mesh.fence(key.incident) == fence
    assert await stage.mesh.change(key, "payments", TO_V2, None) == first
    for late in ({"drain/v1": True}, {"weight/v1": 0, "weight/v3": 100}):
        with pytest.raises(Refused, match="ended from outside"):
            await stage.mesh.change(key.model_copy(update={"step": "late"}), "payments", dict(late), None)
    assert (await stage.mesh.undo(key, "payments")).outcome is Outcome.RESTORED
    assert await ask(stage.port) == "200 v1"


@pytest.mark.parametrize(
    ("fields", "cure"),
    [
        ({}, "names no field"),
        ({"weight/v1": 50}, "sum to 100 or 0"),
        ({"weight/v1": 101, "weight/v2": -1}, "whole number from 0 to 100"),
        ({"weight/v1": True, "weight/v2": 99}, "whole number from 0 to 100"),
        ({"weight/v1": 100, "drain/v1": True}, "route it to 0"),
        ({"drain/v1": 1}, "true, false or null"),
        ({"mirror/v2": 0}, "whole number from 1 to 100"),
        ({"mirror/v2": 101}, "whole number from 1 to 100"),
        ({"mirror/v2": True}, "whole number from 1 to 100"),
        ({"mirror/v3": 10}, "no ready replica of v3"),
        ({"mirror/v2": 10, "drain/v2": True}, "stop the copies before the drain"),
        ({"replicas/v1": 3}, "no field of a mesh resource"),
        ({"weight/v1": 0, "weight/v3": 100}, "no ready replica of v3"),
    ],
)
async def test_a_change_that_would_do_harm_is_refused_with_its_cure(stage: Stage, fields: Fields, cure: str) -> None:
    before = await stage.generation()
    with pytest.raises(Refused, match=cure):
        await stage.mesh.change(stage.key(), "payments", fields, None)
    assert await stage.generation() == before


async def test_a_release_drains_or_is_mirrored_to_but_not_both(stage: Stage) -> None:
    await stage.mesh.change(stage.key(), "payments", {"mirror/v2": 10}, None)
    with pytest.raises(Refused, match="stop the copies before the drain"):
        await stage.mesh.change(stage.key(), "payments", {"drain/v2": True}, None)
    await stage.mesh.change(stage.key(), "payments", {"mirror/v2": None, "drain/v2": True}, None)
    with pytest.raises(Refused, match="admit it again before the copies"):
        await stage.mesh.change(stage.key(), "payments", {"mirror/v2": 10}, None)
    assert (await stage.mesh.read("payments")).state == {"drain/v2": True}


async def test_a_change_waits_a_moment_for_replicas_that_are_just_becoming_known(stage: Stage) -> None:
    stage.agent.set(stage.one, stage.cache)
    await stage.settled()
    version = stage.agent.set(stage.one, stage.two, stage.cache)
    receipt = await stage.mesh.change(stage.key(), "payments", TO_V2, None)
    assert receipt.pending == ()
    assert stage.agent.seen <= version
    assert await ask(stage.port) == "200 v2"


async def test_a_service_that_is_not_of_this_mesh_is_refused(stage: Stage) -> None:
    with pytest.raises(Refused, match="it serves cache, payments"):
        await stage.mesh.read("nobody")


async def test_a_dead_proxy_is_named_as_pending_and_has_the_change_when_it_is_back(stage: Stage) -> None:
    stage.stop("envoy")
    receipt = await stage.mesh.change(stage.key(), "payments", TO_V2, None)
    assert receipt.pending == ("envoy-eu",)
    assert (await stage.mesh.read("payments")).missing == ("envoy-eu",)
    stage.start("envoy")
    await stage.settled()
    assert await ask(stage.port) == "200 v2"


async def test_what_the_proxy_refuses_is_reported_and_what_was_good_is_served_on(stage: Stage) -> None:
    """A listener whose port somebody else holds: Envoy refuses it, and goes on with all the rest."""
    stage.stop("plane")
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        good, stage.cache_port = stage.cache_port, occupied.getsockname()[1]
        stage.write_catalog()
        async with Load(stage.port) as load:
            stage.start("plane")

            async def refused() -> bool:
                await stage.answering()
                return bool(stage.status["refusals"])

            await until(refused, 10, "the refusal is reported")
            receipt = await stage.mesh.change(stage.key(), "cache", {"weight/c1": 100}, None)
            assert receipt.pending == ("envoy-eu",)
            assert (await stage.mesh.change(stage.key(), "payments", TO_V2, None)).pending == ()
            assert await ask(stage.port) == "200 v2"
            assert await ask(good) == "200 c1"
    assert load.failed == {}
    refusal = stage.status["refusals"][0]
    assert (refusal["name"], refusal["proxy"]) == ("cache", "envoy-eu")
    assert "Address already in use" in refusal["error"]
    stage.cache_port = good
    stage.write_catalog()
    stage.stop("plane")
