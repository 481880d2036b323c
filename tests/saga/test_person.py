"""A person in the loop: stages that wait for an approval, a pause in the middle, and a retry after a hold."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.analytics.store.journal import events
from models.catalog import Level
from models.catalog_file import LoadedCatalog
from models.identity import Key
from models.incident import Approval, Phase, StageApproval
from models.receipt import Outcome
from models.rollback import Action, Control, Held
from tests.saga.conftest import Rollbacks
from tests.saga.incidents import SOMEBODY, Incident, start, state, until_phase
from tests.saga.picture import picture
from tests.waiting import until
from tests.world.world import Mishap, World
from workflows.incident import IncidentWorkflow

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADA = "ada"
BOTH = ("traffic", "point-of-no-return")


def careful(world: World, approval_timeout: int = 60) -> LoadedCatalog:
    """As the world's, but a person approves the point of no return."""
    said = "soak: 1,"
    catalog = world.another_catalog(said, f"{said} approve_before: [point-of-no-return],")
    policy = catalog.catalog.policy_of("payments").model_copy(update={"approval_timeout": approval_timeout})
    return catalog.model_copy(update={"catalog": catalog.catalog.model_copy(update={"policies": {"quick": policy}})})


def approval(stage: str = "retire", plan: str | None = None) -> StageApproval:
    return StageApproval(by=ADA, reason="looked at it", plan=plan, service="payments", stage=stage)


async def say(incident: Incident, action: Action, word: Approval = SOMEBODY) -> str:
    return await incident.execute_update(action, word, result_type=str)


async def refusal(incident: Incident, update: str, word: Approval = SOMEBODY) -> str:
    """What the incident says why it does not do that."""
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await incident.execute_update(update, word, result_type=str)
    cause = refused.value.cause
    assert isinstance(cause, ApplicationError), cause
    return cause.message


async def effects(world: World, incident: str) -> list[str]:
    """The steps that took effect, each time that one did."""
    scope = world.scope(incident)
    drivers = await world.directory.mesh(scope), await world.directory.platform(scope)
    receipts = [receipt for driver in drivers for receipt in await driver.receipts(incident)]
    return sorted(Key.parse(r.key).step for r in receipts if r.outcome is Outcome.APPLIED)


async def a_time_is_over(rollback: WorkflowHandle[Any, Any]) -> bool:
    history = await rollback.fetch_history()
    return any(event.event_type is EventType.EVENT_TYPE_TIMER_FIRED for event in history.events)


ALL = ["payments.drain", "payments.retire", "payments.scale-target", "payments.switch"]


async def test_a_stage_that_needs_an_approval_waits_for_one_of_exactly_itself(
    world: World, rollbacks: Rollbacks
) -> None:
    incident = await start(rollbacks, catalog=careful(world))
    await until_phase(incident, "awaiting-approval")
    waiting = await state(incident)
    assert waiting.plan
    assert list(waiting.awaited) == ["payments/retire"]
    assert "scale v2 from 1 to 0" in waiting.awaited["payments/retire"]
    assert (await world.workload()).replicas == {"v1": 1, "v2": 1}

    assert "look at it again" in await refusal(incident, "approve_stage", approval(plan="another"))
    assert "payments/switch does not wait" in await refusal(incident, "approve_stage", approval("switch"))
    assert "what waits is payments/retire" in await refusal(incident, "approve")
    assert (await state(incident)).phase is Phase.AWAITING_APPROVAL

    for _ in range(2):
        assert (
            await incident.execute_update(IncidentWorkflow.approve_stage, approval(plan=waiting.plan.hash))
            == "approved payments/retire"
        )
    result = await incident.result()

    assert result.phase is Phase.RESOLVED, result.sentence
    assert await effects(world, waiting.incident) == ALL
    said = [event.payload for event in events(rollbacks.store, waiting.incident) if event.kind == "operator"]
    assert said == [{"action": "approve", "by": ADA, "reason": "looked at it", "stage": "payments/retire"}]


async def test_a_stage_that_nobody_approves_in_time_is_held_and_asks_again_when_it_is_retried(
    world: World, rollbacks: Rollbacks
) -> None:
    incident = await start(rollbacks, catalog=careful(world, approval_timeout=1))
    await until_phase(incident, "held")
    held = await state(incident)
    assert "stage retire: nobody approved it in 1 s" in (held.hold or "")
    assert held.awaited == {}
    assert (await world.routing()).weights == {"v1": 100, "v2": 0}
    assert "no stage waits" in await refusal(incident, "approve_stage", approval())

    await say(incident, "retry")
    await until_phase(incident, "awaiting-approval")
    await incident.execute_update(IncidentWorkflow.approve_stage, approval())
    result = await incident.result()

    assert result.phase is Phase.RESOLVED, result.sentence
    assert await effects(world, held.incident) == ALL


async def test_a_plan_that_nobody_approves_in_time_is_held_and_asks_again_when_it_is_retried(
    world: World, rollbacks: Rollbacks
) -> None:
    incident = await start(rollbacks, level=Level.PROTECT, catalog=careful(world, approval_timeout=1))
    await until_phase(incident, "held")
    assert "nothing waits for an approval: the incident is held" in await refusal(incident, "approve")

    await say(incident, "retry")
    await until_phase(incident, "awaiting-approval")
    for _ in range(2):
        assert await say(incident, "approve") == "approved"
    await say(incident, "abort")
    assert (await incident.result()).phase is Phase.ABORTED


async def test_a_rollback_that_nobody_lets_move_traffic_is_held_and_not_undone(
    world: World, rollbacks: Rollbacks
) -> None:
    """Nothing has failed: the capacity that was made ready stays, and a person decides."""
    plan = await rollbacks.plan(approve_before=BOTH)
    result = await (await rollbacks.start(plan, hold_timeout=1, approval_timeout=1)).result()

    assert result.outcome == "held"
    assert "payments, stage switch: nobody approved it" in result.sentence
    assert (await world.workload()).replicas == {"v1": 1, "v2": 1}
    assert (await world.routing()).weights.get("v2") == 100


async def test_an_approval_that_comes_when_its_time_is_over_is_not_lost(world: World, rollbacks: Rollbacks) -> None:
    plan = await rollbacks.plan(approve_before=("traffic",))
    rollback = await rollbacks.start(plan, approval_timeout=0.5)
    await until(lambda: a_time_is_over(rollback), 20, "nobody has approved in time")
    words: tuple[Action, ...] = ("approve", "retry")
    for action in words:
        await rollback.signal("control", Control(action=action, by=ADA, reason="", stage="payments/switch"))

    result = await rollback.result()
    assert result.outcome == "done", result.sentence


async def test_an_abort_ends_the_wait_for_an_approval(world: World, rollbacks: Rollbacks) -> None:
    before = await picture(world)
    incident = await start(rollbacks, catalog=careful(world))
    await until_phase(incident, "awaiting-approval")
    await say(incident, "abort")
    result = await incident.result()

    assert result.phase is Phase.ABORTED, result.sentence
    assert await picture(world) == before


async def test_a_pause_in_the_middle_of_a_lane_begins_nothing_until_it_is_resumed(
    world: World, rollbacks: Rollbacks
) -> None:
    incident = await start(rollbacks, catalog=world.another_catalog("soak: 1,", "soak: 3,"))
    rollback = rollbacks.client.get_workflow_handle(f"rollback:{(await state(incident)).incident}:payments")
    await until(lambda: world.serves("v1"), 30, "traffic was switched")
    await until(lambda: rollbacks.offered(rollback, "analytics.soak.v1", 1), 30, "the target is watched")
    await say(incident, "pause")
    await until(lambda: rollbacks.finished(rollback, "analytics.soak.v1"), 30, "what runs is finished")
    assert await effects(world, (await state(incident)).incident) == [s for s in ALL if s != "payments.retire"]
    assert "resume it first" in await refusal(incident, "retry")

    await say(incident, "resume")
    result = await incident.result()

    assert result.phase is Phase.RESOLVED, result.sentence
    assert await effects(world, result.incident) == ALL


async def test_what_is_held_is_ended_by_retry_and_not_by_resume_and_each_effect_is_there_once(
    world: World, rollbacks: Rollbacks
) -> None:
    world.mishaps.pending.append(Mishap(step="retire", action="change", kind="silent-after-effect"))
    incident = await start(rollbacks)
    assert "there is nothing to try again" in await refusal(incident, "retry")
    await until_phase(incident, "held")
    world.mishaps.pending.clear()

    assert "a hold ends with retry or abort" in await refusal(incident, "resume")
    await say(incident, "pause")
    assert "it is paused" in await refusal(incident, "retry")
    await say(incident, "resume")
    assert (await state(incident)).phase is Phase.HELD, "a pause that ends leaves the hold as it is"
    await say(incident, "retry")
    result = await incident.result()

    assert result.phase is Phase.RESOLVED, result.sentence
    assert await effects(world, result.incident) == ALL
    told = [(e.payload or {}).get("action") for e in events(rollbacks.store, result.incident) if e.kind == "operator"]
    assert told == ["pause", "resume", "retry"]


async def test_a_retry_that_a_rollback_did_not_live_to_hear_begins_another_attempt(
    world: World, rollbacks: Rollbacks
) -> None:
    """The incident has accepted it, and the rollback that was held ends at the same moment."""
    incident = await start(rollbacks, catalog=world.another_catalog("soak: 1,", "soak: 5,"))
    rollback = rollbacks.client.get_workflow_handle(f"rollback:{(await state(incident)).incident}:payments")
    await until(lambda: world.serves("v1"), 30, "traffic was switched")
    await until(lambda: rollbacks.offered(rollback, "analytics.soak.v1", 1), 30, "the target is watched")
    await incident.signal(IncidentWorkflow.rollback_held, Held(reason="it is held, and about to end"))
    await say(incident, "retry")
    await rollback.terminate("by the test")

    async def planned_anew() -> bool:
        return "going further back is for a person" in ((await state(incident)).hold or "")

    await until(planned_anew, 30, "it has planned anew, and nobody had to say it twice")
    await say(incident, "abort")
    await incident.result()


async def test_a_hold_for_a_silent_region_is_no_hold_for_a_person(world: World, rollbacks: Rollbacks) -> None:
    incident = await start(rollbacks)
    await until(lambda: world.serves("v1"), 30, "traffic was switched")
    await rollbacks.stop_pool()
    await until_phase(incident, "held")
    assert "goes on by itself" in await refusal(incident, "retry")

    rollbacks.start_pool()
    assert (await incident.result()).phase is Phase.RESOLVED
