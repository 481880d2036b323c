"""Each step of the immediate rollback fails once, and takes effect once without ever answering: all is undone."""

from __future__ import annotations

from typing import Literal

import pytest

from models.rollback import Control
from tests.saga.conftest import UNHEALTHY, Rollbacks
from tests.saga.picture import picture
from tests.waiting import until
from tests.world.world import Mishap, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

Kind = Literal["refused", "silent-after-effect"]
KINDS: tuple[Kind, ...] = ("refused", "silent-after-effect")


async def test_an_undisturbed_rollback_ends_on_the_target_and_fails_no_request(
    world: World, rollbacks: Rollbacks
) -> None:
    result = await (await rollbacks.start(await rollbacks.plan())).result()

    assert result.outcome == "done", result.sentence
    assert await picture(world) == ({"v1": 100, "v2": 0}, ("v2",), {"v1": 1})
    assert result.contained_at is not None
    assert world.failures == []
    assert world.served > 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", ["scale-target", "switch", "drain"])
async def test_a_step_that_goes_wrong_before_the_soak_is_undone_with_all_before_it(
    world: World, rollbacks: Rollbacks, step: str, kind: Kind
) -> None:
    before = await picture(world)
    mishap = Mishap(step=step, action="change", kind=kind)
    world.mishaps.pending.append(mishap)

    result = await (await rollbacks.start(await rollbacks.plan())).result()

    assert mishap.happened > 0
    assert result.outcome == "compensated", result.sentence
    assert await picture(world) == before
    assert world.failures == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_retirement_that_goes_wrong_holds_on_the_healthy_target_and_an_abort_undoes_everything(
    world: World, rollbacks: Rollbacks, kind: Kind
) -> None:
    """Law 4: the target serves well, so going back to what was left is a person's decision."""
    before = await picture(world)
    mishap = Mishap(step="retire", action="change", kind=kind)
    world.mishaps.pending.append(mishap)
    rollback = await rollbacks.start(await rollbacks.plan())
    await until(lambda: mishap.happened >= (1 if kind == "refused" else 2), 40, "the retirement went wrong")
    assert (await world.routing()).weights == {"v1": 100, "v2": 0}

    await rollback.signal("control", Control(action="abort", by="a test", reason="back to v2, please"))
    result = await rollback.result()

    assert result.outcome == "aborted", result.sentence
    assert await picture(world) == before
    assert world.failures == []


async def test_a_failed_stage_never_goes_back_to_a_release_that_was_bad(world: World, rollbacks: Rollbacks) -> None:
    world.mishaps.pending.append(Mishap(step="drain", action="change", kind="refused"))

    result = await (await rollbacks.start(await rollbacks.plan(UNHEALTHY), hold_timeout=1)).result()

    assert result.outcome == "held"
    assert "going back to v2 is not safe" in result.sentence
    assert (await world.routing()).weights == {"v1": 100, "v2": 0}


async def test_undoing_leaves_what_somebody_else_has_changed_in_the_meantime(
    world: World, rollbacks: Rollbacks
) -> None:
    mishap = Mishap(step="drain", action="change", kind="refused")
    world.mishaps.pending.append(mishap)
    rollback = await rollbacks.start(await rollbacks.plan(UNHEALTHY))
    await until(lambda: mishap.happened, 40, "the drain went wrong")
    await world.set_weights("payments", {"weight/v1": 90, "weight/v2": 10})

    await rollback.signal("control", Control(action="abort", by="a test", reason=""))
    result = await rollback.result()

    assert result.outcome == "held"
    assert "somebody else changed it" in result.sentence
    assert (await world.routing()).weights == {"v1": 90, "v2": 10}
    assert (await world.workload()).replicas == {"v1": 1, "v2": 1}, "v1 keeps the capacity for its traffic"
    assert world.failures == []


async def test_a_plan_whose_world_has_moved_changes_nothing(world: World, rollbacks: Rollbacks) -> None:
    plan = await rollbacks.plan()
    await world.set_replicas("payments", {"replicas/v2": 2})
    before = await picture(world)

    result = await (await rollbacks.start(plan)).result()

    assert result.outcome == "stale", result.sentence
    assert await picture(world) == before


async def test_two_rollbacks_of_one_service_run_one_after_the_other(world: World, rollbacks: Rollbacks) -> None:
    plan = await rollbacks.plan()
    first, second = await rollbacks.start(plan), await rollbacks.start(plan)

    outcomes = sorted([(await first.result()).outcome, (await second.result()).outcome])

    assert outcomes == ["done", "stale"]
