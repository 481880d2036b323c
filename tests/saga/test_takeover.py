"""A rollback of a higher priority takes the lock over where the holder changes nothing, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from activities.rollback.contract import LockRequest, lock_id
from activities.rollback.state import read_state
from activities.rollback.strategies import immediate
from models.identity import Key
from models.incident import Phase
from models.plan import Lane, RollbackPlan, Wave
from models.receipt import Outcome, Receipt
from models.rollback import Action, Control, RollbackResult
from models.stage import Stage
from tests.saga.conftest import Rollbacks
from tests.saga.incidents import SOMEBODY, start, state, until_phase
from tests.saga.picture import picture
from tests.waiting import until
from tests.world.world import Mishap, World
from workers.local.world import REGION
from workflows.incident import IncidentWorkflow

pytestmark = pytest.mark.asyncio(loop_scope="session")

Rollback = WorkflowHandle[Any, RollbackResult]

FIRST = 10
"""The priority of whoever takes over."""

SOAK, LOCK, PRECHECK = "analytics.soak.v1", "rollback.lock.v1", "rollback.precheck.v1"
SCALE, READY = "platform.change.v1", "platform.ready.v1"


async def soaking(rollbacks: Rollbacks) -> Rollback:
    """A rollback that has moved all traffic and watches its target for longer than anybody waits here."""
    rollback = await rollbacks.start(await rollbacks.plan(soak=600))
    await until(lambda: rollbacks.offered(rollback, SOAK, 1), 30, "the target is watched")
    return rollback


async def paused(rollbacks: Rollbacks, plan: RollbackPlan) -> Rollback:
    """A rollback that has its locks and begins nothing."""
    rollback = await rollbacks.start(plan)
    await say(rollback, "pause")
    await until(lambda: rollbacks.finished(rollback, PRECHECK), 30, "it has its locks")
    return rollback


async def waiting(rollbacks: Rollbacks, plan: RollbackPlan) -> Rollback:
    """A rollback that has asked for a lock."""
    rollback = await rollbacks.start(plan)
    await until(lambda: rollbacks.finished(rollback, LOCK), 30, "it has asked")
    return rollback


async def say(rollback: Rollback, action: Action) -> None:
    await rollback.signal("control", Control(action=action, by="a test", reason=""))


async def for_the_world_as_it_is(rollbacks: Rollbacks, older: RollbackPlan) -> RollbackPlan:
    """What is planned after a takeover: the same way back, from what the older one has left."""
    now = await read_state(rollbacks.world.directory, rollbacks.world.scope())
    one = older.first.model_copy(update={"state": now})
    lane = Lane(service="payments", stages=immediate.stages(now, one.target, one.bad, one.policy))
    return older.model_copy(update={"services": (one,), "waves": (Wave(lanes=(lane,)),), "priority": FIRST})


async def undone(world: World, rollback: Rollback) -> list[Receipt]:
    """What comes of taking back every step of it, the last first, as ``sternway undo`` does."""
    incident = rollback.id.split(":")[1]
    scope = world.scope(incident)
    mesh, platform = await world.directory.mesh(scope), await world.directory.platform(scope)
    routed, scaled = await mesh.receipts(incident), await platform.receipts(incident)
    return [
        *[await mesh.undo(Key.parse(receipt.key), "payments") for receipt in reversed(routed)],
        *[await platform.undo(Key.parse(receipt.key), REGION, "payments") for receipt in reversed(scaled)],
    ]


async def test_a_gate_is_cut_short_for_whoever_goes_first(world: World, rollbacks: Rollbacks) -> None:
    """It changes nothing, so nothing is half done there."""
    plan = await rollbacks.plan(priority=FIRST)
    holder = await soaking(rollbacks)
    emergency = await waiting(rollbacks, plan)

    held, refused = await holder.result(), await emergency.result()

    assert held.outcome == "held"
    cut = "stage soak: its changes are made and checked, its gate was cut short"
    assert f"payments, {cut}: {emergency.id} has priority 10 over 0" in held.sentence
    assert "Not taken back: scale v1 from 0 to 1, route 100% to v1, drain v2" in held.sentence
    assert refused.outcome == "stale", "its plan was made for the world before"
    assert await picture(world) == ({"v1": 100, "v2": 0}, ("v2",), {"v1": 1, "v2": 1})
    assert world.failures == []


async def test_a_stage_that_has_begun_makes_and_checks_all_its_changes(world: World, rollbacks: Rollbacks) -> None:
    plan = await rollbacks.plan(priority=FIRST)
    holder = await rollbacks.start(await rollbacks.plan(strategy="gradual", soak=600))
    await until(lambda: rollbacks.offered(holder, SCALE, 1), 30, "its first share begins")
    await waiting(rollbacks, plan)

    held = await holder.result()

    assert held.outcome == "held"
    assert "Not taken back: scale v1 from 0 to 1, route 10% to v1; once" in held.sentence
    assert await rollbacks.finished(holder, "mesh.routed.v1")
    assert (await world.routing()).weights == {"v1": 10, "v2": 90}


async def test_what_the_older_one_has_done_can_be_undone_and_never_over_the_newer_one(
    world: World, rollbacks: Rollbacks
) -> None:
    original = await rollbacks.plan()
    holder = await soaking(rollbacks)
    await (await waiting(rollbacks, original.model_copy(update={"priority": FIRST}))).result()
    await holder.result()
    emergency = await rollbacks.start(await for_the_world_as_it_is(rollbacks, original))
    assert (await emergency.result()).outcome == "done"
    after = await picture(world)

    taken_back = await undone(world, holder)

    assert {receipt.outcome for receipt in taken_back} == {Outcome.SUPERSEDED}
    assert await picture(world) == after
    assert {receipt.outcome for receipt in await undone(world, emergency)} == {Outcome.RESTORED}


async def test_a_holder_that_has_begun_nothing_gives_way_and_is_planned_anew(
    world: World, rollbacks: Rollbacks
) -> None:
    plan = await rollbacks.plan()
    holder = await paused(rollbacks, plan)
    emergency = await rollbacks.start(plan.model_copy(update={"priority": FIRST}))

    assert (await emergency.result()).outcome == "done"
    gave_way = await holder.result()
    assert gave_way.outcome == "stale"
    assert gave_way.sentence.endswith("took payments over; nothing was changed")


async def test_a_holder_that_is_paused_within_a_stage_gives_way_after_its_last_step(
    world: World, rollbacks: Rollbacks
) -> None:
    """It would wait for a person there, and whoever goes first need not."""
    plan = await rollbacks.plan(priority=FIRST)
    holder = await rollbacks.start(await rollbacks.plan(strategy="gradual"))
    await until(lambda: rollbacks.offered(holder, SCALE, 1), 30, "its first share begins")
    await say(holder, "pause")
    await until(lambda: rollbacks.finished(holder, READY), 30, "the capacity is there")
    emergency = await waiting(rollbacks, plan)

    held, refused = await holder.result(), await emergency.result()

    assert held.outcome == "held"
    assert "payments, stage share-10: it was paused there, between two steps" in held.sentence
    assert "Not taken back: scale v1 from 0 to 1; once" in held.sentence
    assert refused.outcome == "stale", "its plan was made for the world before"
    assert await picture(world) == ({"v1": 0, "v2": 100}, (), {"v1": 1, "v2": 1})


async def test_a_holder_that_is_held_gives_way_at_once(world: World, rollbacks: Rollbacks) -> None:
    mishap = Mishap(step="retire", action="change", kind="refused")
    world.mishaps.pending.append(mishap)
    plan = await rollbacks.plan()
    holder = await rollbacks.start(plan)
    await until(lambda: mishap.happened, 40, "the retirement went wrong")
    await waiting(rollbacks, plan.model_copy(update={"priority": FIRST}))

    result = await holder.result()
    assert result.outcome == "held"
    assert "v1 serves well" in result.sentence
    assert "took payments over" in result.sentence


async def test_whoever_has_a_lower_priority_waits_for_the_holder(world: World, rollbacks: Rollbacks) -> None:
    plan = await rollbacks.plan()
    first = await rollbacks.start(await rollbacks.plan(priority=FIRST, soak=2))
    await until(lambda: rollbacks.offered(first, SOAK, 1), 30, "the target is watched")
    second = await rollbacks.start(plan)

    assert (await first.result()).outcome == "done"
    assert (await second.result()).outcome == "stale"


async def test_a_lock_is_granted_in_the_words_that_every_build_knows(world: World, rollbacks: Rollbacks) -> None:
    """Locks follow the current build and rollbacks do not, so that either may be the older one."""
    rollback = await rollbacks.start(await rollbacks.plan())
    assert (await rollback.result()).outcome == "done"

    history = await rollbacks.client.get_workflow_handle(lock_id(REGION, "payments")).fetch_history()

    said = [event.signal_external_workflow_execution_initiated_event_attributes for event in history.events]
    assert [(one.signal_name, list(one.input.payloads)) for one in said if one.signal_name] == [("lock_granted", [])]


async def test_the_highest_priority_is_next_whoever_asked_before(world: World, rollbacks: Rollbacks) -> None:
    plan = await rollbacks.plan(priority=FIRST)
    holder = await paused(rollbacks, plan)
    ordinary = await waiting(rollbacks, plan.model_copy(update={"priority": 0}))
    urgent = await waiting(rollbacks, plan.model_copy(update={"priority": 1}))
    await say(holder, "abort")

    assert (await urgent.result()).outcome == "done"
    assert (await ordinary.result()).outcome == "stale"


async def test_a_holder_goes_on_when_nobody_wants_its_lock_any_more(world: World, rollbacks: Rollbacks) -> None:
    """Somebody has wanted it for a while in which the holder could not give way: no pool finished its step."""
    holder = await rollbacks.start(await rollbacks.plan())
    await until(lambda: rollbacks.offered(holder, SCALE, 1), 30, "its first stage has begun")
    await rollbacks.stop_pool()
    lock = rollbacks.client.get_workflow_handle(lock_id(REGION, "payments"))
    wanted = LockRequest(region=REGION, service="payments", holder="somebody", run="one", priority=FIRST)
    await lock.signal("acquire", wanted)
    await until(lambda: signalled(holder, "outranked", 1), 20, "the holder knows")
    await lock.signal("release", wanted)
    await until(lambda: signalled(holder, "outranked", 2), 20, "the holder knows that nobody waits")
    rollbacks.start_pool()

    assert (await holder.result()).outcome == "done"


async def signalled(rollback: Rollback, name: str, times: int) -> bool:
    events = (await rollback.fetch_history()).events
    return [event.workflow_execution_signaled_event_attributes.signal_name for event in events].count(name) >= times


async def test_a_holder_that_is_gone_keeps_nobody_from_taking_over(world: World, rollbacks: Rollbacks) -> None:
    plan = await rollbacks.plan()
    holder = await paused(rollbacks, plan)
    await holder.terminate("by the test")
    emergency = await rollbacks.start(plan.model_copy(update={"priority": FIRST}))

    assert (await emergency.result()).outcome == "done"


async def of_two_services(rollbacks: Rollbacks, *, turned: bool, priority: int = 0) -> RollbackPlan:
    """Payments goes back, and the ledger has to be left alone meanwhile; or named the other way about."""
    plan, world = await rollbacks.plan(priority=priority), rollbacks.world
    here = await read_state(world.directory, world.scope(service="ledger"))
    ledger = plan.first.model_copy(update={"state": here})
    lane = Lane(service="ledger", stages=(Stage(name="stand-by", title="leave the ledger as it is"),))
    services = (ledger, plan.first) if turned else (plan.first, ledger)
    return plan.model_copy(update={"services": services, "waves": (Wave(lanes=(*plan.waves[0].lanes, lane)),)})


async def test_rollbacks_of_the_same_services_in_opposite_order_never_wait_for_each_other(
    world: World, rollbacks: Rollbacks
) -> None:
    """One has payments; one has the ledger and waits for payments; and one that goes first wants both."""
    has_payments = await paused(rollbacks, await rollbacks.plan())
    has_ledger = await rollbacks.start(await of_two_services(rollbacks, turned=False))
    await until(lambda: rollbacks.offered(has_ledger, LOCK, 2), 20, "it has the ledger and asks for payments")
    wants_both = await rollbacks.start(await of_two_services(rollbacks, turned=True, priority=FIRST))

    assert (await wants_both.result()).outcome == "done"
    assert (await has_ledger.result()).outcome == "stale"
    assert (await has_payments.result()).outcome == "stale"
    assert world.failures == []


async def test_many_rollbacks_of_two_services_all_come_to_an_end(world: World, rollbacks: Rollbacks) -> None:
    plans = [
        await of_two_services(rollbacks, turned=number % 2 == 1, priority=priority)
        for number, priority in enumerate((0, 0, 1, FIRST, FIRST))
    ]
    started = [await rollbacks.start(plan) for plan in plans]
    results = [await rollback.result() for rollback in started]

    assert {result.outcome for result in results} <= {"done", "stale", "held"}, results
    assert (await world.routing()).weights == {"v1": 100, "v2": 0}
    assert world.failures == []


async def test_a_paused_incident_whose_rollback_was_taken_over_says_so_without_being_resumed(
    world: World, rollbacks: Rollbacks
) -> None:
    plan = await rollbacks.plan(priority=FIRST)
    incident = await start(rollbacks, catalog=world.another_catalog("soak: 1,", "soak: 1, strategy: gradual,"))
    rollback = rollbacks.client.get_workflow_handle(f"rollback:{(await state(incident)).incident}:payments")
    await until_phase(incident, "executing")
    await until(lambda: rollbacks.offered(rollback, SCALE, 1), 30, "its first share begins")
    await incident.execute_update(IncidentWorkflow.pause, SOMEBODY)
    await until(lambda: rollbacks.finished(rollback, READY), 30, "the capacity is there")
    emergency = await rollbacks.start(plan)

    await until_phase(incident, "held")
    assert f"{emergency.id} has priority 10 over 0" in ((await state(incident)).hold or "")
    assert (await state(incident)).paused
    await incident.execute_update(IncidentWorkflow.abort, SOMEBODY)
    assert (await incident.result()).phase is Phase.HELD


async def test_an_incident_whose_rollback_was_taken_over_is_held_and_says_by_whom(
    world: World, rollbacks: Rollbacks
) -> None:
    plan = await rollbacks.plan(priority=FIRST)
    incident = await start(rollbacks, catalog=world.another_catalog("soak: 1,", "soak: 3,"))
    await until(lambda: world.serves("v1"), 30, "traffic was switched")
    emergency = await rollbacks.start(plan)
    await until_phase(incident, "held")
    hold = (await state(incident)).hold or ""
    assert f"{emergency.id} has priority 10 over 0 and took payments over" in hold
    assert "`sternway undo" in hold
    moved = await world.generations()

    await incident.execute_update(IncidentWorkflow.abort, SOMEBODY)
    result = await incident.result()

    assert result.phase is Phase.HELD
    assert "the rollback of payments to v1 stays in place" in result.sentence
    assert await world.generations() == moved
    assert await world.leases("payments") == []
