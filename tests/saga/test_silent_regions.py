"""A region whose pool does not poll: the rollback holds, says which region, and goes on when a pool is back."""

from __future__ import annotations

import pytest

from models.incident import Phase
from models.rollback import Control
from tests.saga.conftest import Rollbacks
from tests.saga.incidents import SOMEBODY, start, state, until_phase
from tests.waiting import until
from tests.world.world import World
from workflows.incident import IncidentWorkflow

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_rollback_waits_for_a_pool_and_then_goes_on_by_itself(world: World, rollbacks: Rollbacks) -> None:
    await rollbacks.stop_pool()
    rollback = await rollbacks.start(await rollbacks.plan())
    await until(lambda: rollbacks.offered(rollback, "rollback.lock.v1", 2), 30, "the lock was offered twice")

    rollbacks.start_pool()
    result = await rollback.result()

    assert result.outcome == "done", result.sentence
    assert (await world.routing()).weights == {"v1": 100, "v2": 0}


async def test_a_peer_acts_for_a_region_without_a_pool(world: World, rollbacks: Rollbacks) -> None:
    await rollbacks.stop_pool()
    rollbacks.start_pool("us")

    rollback = await rollbacks.start(await rollbacks.plan(), peers=("us",))
    result = await rollback.result()

    assert result.outcome == "done", result.sentence


async def test_an_abort_at_a_silent_region_undoes_everything_once_a_pool_is_back(
    world: World, rollbacks: Rollbacks
) -> None:
    rollback = await rollbacks.start(await rollbacks.plan())
    await until(lambda: world.serves("v1"), 30, "traffic was switched")
    await rollbacks.stop_pool()
    await rollback.signal("control", Control(action="abort", by="a test", reason=""))

    rollbacks.start_pool()
    result = await rollback.result()

    assert result.outcome == "aborted", result.sentence
    assert (await world.routing()).weights == {"v1": 0, "v2": 100}


async def test_an_incident_that_is_held_before_it_has_a_plan_is_aborted_at_once(
    world: World, rollbacks: Rollbacks
) -> None:
    """It need not wait for a pool to tell it how the service is doing, nor to plan what nobody wants any more."""
    await rollbacks.stop_pool()
    incident = await start(rollbacks)
    await until_phase(incident, "held")
    assert "analytics.observe.v1" in ((await state(incident)).hold or "")

    await incident.execute_update(IncidentWorkflow.abort, SOMEBODY)
    await until_phase(incident, "aborted")
    assert (await state(incident)).hold is None, "nobody waits for the region any more"

    rollbacks.start_pool()
    result = await incident.result()
    assert result.phase is Phase.ABORTED, result.sentence
    assert (await rollbacks.offered(incident, "rollback.plan.v1", 1)) is False
