"""Preventions in the small real world: what each action changes, for how long, and who goes first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest
from temporalio import workflow
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.analytics.store import deliveries
from activities.analytics.store.audit import verify
from activities.analytics.store.journal import events
from activities.rollback.contract import LockRequest, Outranked, lock_id
from models.alert import AlertState
from models.base import SternwayError
from models.catalog import Level
from models.identity import MEMO, correlation_key, prevention_id
from models.prevention import Action, Prevention
from models.prevention_run import PreventionPhase
from tests.saga import incidents, preventions
from tests.saga.conftest import Rollbacks
from tests.saga.incidents import SOMEBODY
from tests.saga.picture import picture
from tests.saga.preventions import begin, start, state, until_phase
from tests.waiting import until
from tests.world.world import Mishap, World
from workers.local.world import REGION, TOKEN
from workers.preventions import Listed, say
from workers.preventions import preventions as listing
from workers.recovery.planes import planes
from workers.recovery.undoing import Undoing
from workflows import locking
from workflows.acting import Acting
from workflows.changes import Changes
from workflows.incident import IncidentWorkflow
from workflows.prevention import PreventionWorkflow

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOR_LONG = 600
"""Seconds: longer than anybody waits here."""


async def replicas(world: World) -> list[str]:
    """Ids of the replicas of v2, the oldest first."""
    async with httpx.AsyncClient(trust_env=False) as client:
        listed = (await client.get(f"{world.urls['AGENT']}/v1/replicas")).json()["replicas"]
    return sorted(one["id"] for one in listed if (one["service"], one["release"]) == ("payments", "v2"))


async def waiting_incident(rollbacks: Rollbacks) -> incidents.Incident:
    """One under the id of its correlation, as the gateway begins it."""
    key = correlation_key(REGION, "payments", Level.PROTECT)
    incident = await incidents.start(rollbacks, Level.PROTECT, workflow=key)
    await incidents.until_phase(incident, "awaiting-approval")
    return incident


async def wanted(world: World) -> dict[str, int]:
    return (await world.workload()).replicas


async def test_level_advise_says_what_would_be_done_and_changes_nothing(world: World, rollbacks: Rollbacks) -> None:
    before = await picture(world), await world.generations()
    result = await (await start(rollbacks, Action.SCALE, "advise")).result()
    assert (result.phase, result.sentence) == (PreventionPhase.ADVISED, "scale v2 from 1 to 2")
    assert (await picture(world), await world.generations()) == before
    assert result.steps == ()


async def test_level_approve_waits_for_a_person(world: World, rollbacks: Rollbacks) -> None:
    before = await picture(world)
    prevention = await start(rollbacks, Action.SCALE, "approve")
    await until_phase(prevention, PreventionPhase.AWAITING_APPROVAL)
    assert await picture(world) == before
    await prevention.execute_update(PreventionWorkflow.approve, SOMEBODY)
    await prevention.execute_update(PreventionWorkflow.approve, SOMEBODY)
    result = await prevention.result()
    assert result.phase is PreventionPhase.UNDONE, result.sentence
    said = [event for event in events(rollbacks.store, result.incident) if event.kind == "operator"]
    assert len(said) == 1


async def test_without_an_approval_in_time_nothing_is_done(world: World, rollbacks: Rollbacks) -> None:
    before = await picture(world), await world.generations()
    impatient = preventions.catalog(world, "approve", "dollars_an_hour: 100, approval_timeout: 1")
    result = await (await start(rollbacks, Action.SCALE, catalogued=impatient)).result()
    assert result.phase is PreventionPhase.NOT_APPROVED
    assert (await picture(world), await world.generations()) == before


async def test_what_was_approved_is_not_done_for_another_world(world: World, rollbacks: Rollbacks) -> None:
    prevention = await start(rollbacks, Action.SCALE, "approve")
    await until_phase(prevention, PreventionPhase.AWAITING_APPROVAL)
    await world.set_replicas("payments", {"replicas/v2": 3})
    await prevention.execute_update(PreventionWorkflow.approve, SOMEBODY)
    result = await prevention.result()
    assert result.phase is PreventionPhase.FAILED
    assert "somebody else changed it in the meantime" in result.sentence
    assert (await wanted(world))["v2"] == 3


async def test_level_full_adds_replicas_and_takes_them_back_after_the_horizon(
    world: World, rollbacks: Rollbacks
) -> None:
    before = await picture(world)
    prevention = await start(rollbacks, Action.SCALE, seconds=3)
    await until_phase(prevention, PreventionPhase.KEEPING)
    assert (await world.workload()).ready["v2"] == 2
    result = await prevention.result()
    assert result.phase is PreventionPhase.UNDONE, result.sentence
    assert await picture(world) == before
    assert [step.status for step in result.steps] == ["undone"]
    assert world.failures == []


async def test_a_warm_release_before_gets_copies_for_the_horizon(world: World, rollbacks: Rollbacks) -> None:
    before = await picture(world)
    prevention = await start(rollbacks, Action.WARM, seconds=2)
    await until_phase(prevention, PreventionPhase.KEEPING)
    assert (await world.routing()).state["mirror/v1"] == 20
    assert (await world.workload()).ready["v1"] == 1
    result = await prevention.result()
    assert result.phase is PreventionPhase.UNDONE, result.sentence
    assert await picture(world) == before
    assert "mirror/v1" not in (await world.routing()).state
    assert world.failures == []


async def test_a_share_of_the_requests_is_shifted_and_sent_back(world: World, rollbacks: Rollbacks) -> None:
    before = await picture(world)
    prevention = await start(rollbacks, Action.SHIFT, seconds=2)
    await until_phase(prevention, PreventionPhase.KEEPING)
    assert (await world.routing()).weights == {"v1": 30, "v2": 70}
    result = await prevention.result()
    assert result.phase is PreventionPhase.UNDONE, result.sentence
    assert await picture(world) == before
    assert world.failures == []


async def test_shedding_is_a_lease_that_is_renewed_and_restored(world: World, rollbacks: Rollbacks) -> None:
    prevention = await start(rollbacks, Action.SHED, seconds=7)
    await until_phase(prevention, PreventionPhase.KEEPING)
    (lease,) = await world.leases("payments")
    assert lease.owner == (await state(prevention)).incident

    async def renewed() -> bool:
        return [one.expires_at for one in await world.leases("payments")] > [lease.expires_at]

    await until(renewed, 10, "its lease is renewed")
    assert (await prevention.result()).phase is PreventionPhase.UNDONE
    assert await world.leases("payments") == []


async def test_a_restart_replaces_exactly_the_oldest_replica_and_no_request_fails(
    world: World, rollbacks: Rollbacks
) -> None:
    await world.set_replicas("payments", {"replicas/v2": 3})
    oldest, *others = await replicas(world)
    result = await (await start(rollbacks, Action.RESTART)).result()
    assert result.phase is PreventionPhase.DONE, result.sentence
    assert [step.status for step in result.steps] == ["nothing-to-undo"]

    async def left() -> list[str]:
        now = await replicas(world)
        return now if oldest not in now else []

    now = await until(left, 20, "the oldest has gone")
    assert now[:2] == others
    assert len(now) == 3
    assert (await world.workload()).ready["v2"] == 3
    assert world.failures == []


async def test_an_abort_undoes_what_was_done(world: World, rollbacks: Rollbacks) -> None:
    before = await picture(world)
    prevention = await start(rollbacks, Action.SHIFT, seconds=FOR_LONG)
    await until_phase(prevention, PreventionPhase.KEEPING)
    await prevention.execute_update(PreventionWorkflow.abort, SOMEBODY)
    result = await prevention.result()
    assert result.phase is PreventionPhase.ABORTED, result.sentence
    assert await picture(world) == before


async def test_a_step_that_is_refused_has_everything_undone(world: World, rollbacks: Rollbacks) -> None:
    before = await picture(world)
    world.mishaps.pending.append(Mishap(step="shift-weight", action="change", kind="refused"))
    result = await (await start(rollbacks, Action.SHIFT)).result()
    assert result.phase is PreventionPhase.FAILED
    assert "is refused by the test; everything that had been changed is undone" in result.sentence
    assert await picture(world) == before


def fail(monkeypatch: pytest.MonkeyPatch, name: str, meanwhile: Callable[[], Awaitable[object]]) -> None:
    """Let the changes' method of that name fail once *meanwhile* is over."""

    async def failing(*_: object) -> None:
        await meanwhile()
        raise ApplicationError("no pool takes it", type="Skipped", non_retryable=True)

    monkeypatch.setattr(Changes, name, failing)


async def test_a_check_that_fails_is_undone_under_the_lock(
    world: World, rollbacks: Rollbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await picture(world)
    order: list[str] = []
    fail(monkeypatch, "check", lambda: asyncio.sleep(0))
    take_back, give_back = Acting.take_back, locking.unlock

    async def taken_back(acting: Acting) -> tuple[str, ...]:
        order.append("taken back")
        return await take_back(acting)

    async def unlocked(request: LockRequest) -> None:
        order.append("unlocked")
        await give_back(request)

    monkeypatch.setattr(Acting, "take_back", taken_back)
    monkeypatch.setattr("workflows.prevention.unlock", unlocked)
    result = await (await start(rollbacks, Action.SHIFT)).result()
    assert result.phase is PreventionPhase.FAILED
    assert result.sentence.endswith("no pool takes it; everything that had been changed is undone")
    assert order == ["taken back", "unlocked"]
    assert await picture(world) == before


async def test_what_has_failed_is_left_to_an_incident_that_has_begun_meanwhile(
    world: World, rollbacks: Rollbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident: list[incidents.Incident] = []

    async def begun() -> None:
        while not incident:
            await workflow.sleep(0.2)

    fail(monkeypatch, "check", begun)
    prevention = await start(rollbacks, Action.SHIFT)

    async def changed() -> bool:
        return [step.status for step in (await state(prevention)).steps] == ["done"]

    await until(changed, 20, "the first step is made")
    incident.append(await waiting_incident(rollbacks))
    result = await prevention.result()
    assert result.phase is PreventionPhase.HANDED_OVER, result.sentence
    await incident[0].execute_update(IncidentWorkflow.abort, SOMEBODY)
    await incident[0].result()


async def test_a_rollback_goes_first_and_has_what_was_done(world: World, rollbacks: Rollbacks) -> None:
    prevention = await start(rollbacks, Action.SCALE, seconds=FOR_LONG)
    await until_phase(prevention, PreventionPhase.KEEPING)
    rollback = await rollbacks.start(await rollbacks.plan())
    result = await prevention.result()
    assert result.phase is PreventionPhase.HANDED_OVER
    assert f"{rollback.id} goes first and has what was done: scale v2 from 1 to 2" in result.sentence
    assert [step.status for step in result.steps] == ["done"]
    assert (await rollback.result()).outcome == "done"
    assert (await world.routing()).weights == {"v1": 100, "v2": 0}


async def test_an_incident_that_nobody_told_of_is_found(
    world: World, rollbacks: Rollbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.prevention.LOOK_EVERY", 1.0)
    prevention = await start(rollbacks, Action.SCALE, seconds=FOR_LONG)
    await until_phase(prevention, PreventionPhase.KEEPING)
    incident = await waiting_incident(rollbacks)
    result = await prevention.result()
    assert result.phase is PreventionPhase.HANDED_OVER
    assert (await wanted(world))["v2"] == 2
    await incident.execute_update(IncidentWorkflow.abort, SOMEBODY)
    await incident.result()


async def test_what_it_left_is_taken_back_from_its_receipts_alone(world: World, rollbacks: Rollbacks) -> None:
    before = await picture(world)
    prevention = await start(rollbacks, Action.SHIFT, seconds=FOR_LONG)
    await until_phase(prevention, PreventionPhase.KEEPING)
    holder = LockRequest(region=REGION, service="payments", holder="a-rollback", run="1", priority=1)
    await prevention.signal(PreventionWorkflow.outranked, Outranked(service="payments", by=holder))
    result = await prevention.result()
    left = result.incident
    assert f"`sternway undo {left}` takes back what is still its own" in result.sentence
    catalog = world.catalog.catalog
    undoing = Undoing(left, catalog, planes(catalog, TOKEN), None)
    await undoing.fence()
    assert [taken.came async for taken in undoing.take_back()] == ["restored", "restored"]
    assert await picture(world) == before


async def test_while_an_incident_runs_nothing_is_done(world: World, rollbacks: Rollbacks) -> None:
    incident = await waiting_incident(rollbacks)
    before = await world.generations()
    result = await (await start(rollbacks, Action.SCALE)).result()
    assert result.phase is PreventionPhase.DECLINED
    assert "goes first; nothing was changed" in result.sentence
    assert await world.generations() == before
    await incident.execute_update(IncidentWorkflow.abort, SOMEBODY)
    await incident.result()


async def test_its_budget_is_what_its_own_journal_tells(world: World, rollbacks: Rollbacks) -> None:
    poor = preventions.catalog(world, "full", "dollars_an_hour: 100, actions_a_day: 1")
    first = await (await start(rollbacks, Action.RESTART, catalogued=poor)).result()
    second = await (await start(rollbacks, Action.RESTART, catalogued=poor)).result()
    assert (first.phase, second.phase) == (PreventionPhase.DONE, PreventionPhase.DECLINED)
    assert second.sentence == "1 of 1 actions a day were taken"


async def test_an_hour_that_is_spent_leaves_nothing(world: World, rollbacks: Rollbacks) -> None:
    poor = preventions.catalog(world, "full", "dollars_an_hour: 1.5")
    first = await (await start(rollbacks, Action.RESTART, catalogued=poor)).result()
    second = await (await start(rollbacks, Action.RESTART, catalogued=poor)).result()
    assert (first.phase, second.phase) == (PreventionPhase.DONE, PreventionPhase.DECLINED)
    assert second.sentence == "it costs $1.00, and $0.50 of the hour's budget are left"


async def test_rolling_back_is_an_alert_that_waits_for_the_gateway(world: World, rollbacks: Rollbacks) -> None:
    before = await world.generations()
    result = await (await start(rollbacks, Action.ROLL_BACK)).result()
    assert result.phase is PreventionPhase.HANDED_OVER
    (alert,) = deliveries.pending(rollbacks.store)
    assert (alert.alert.source, alert.alert.service, alert.state) == ("predictor", "payments", AlertState.PENDING)
    assert alert.alert.fingerprint == result.incident
    assert await world.generations() == before


async def test_the_stricter_of_the_levels_counts(world: World, rollbacks: Rollbacks) -> None:
    """Whoever begins a prevention cannot widen what the catalog allows."""
    asked = preventions.argument(world, Action.SCALE, "advise")
    wide = preventions.catalog(world, "full").catalog.policy_of("payments")
    before = await world.generations()
    assert await begin(rollbacks.client, asked.model_copy(update={"policy": wide}))
    result = await rollbacks.client.get_workflow_handle_for(
        PreventionWorkflow.run, prevention_id(REGION, "payments")
    ).result()
    assert result.phase is PreventionPhase.ADVISED
    assert await world.generations() == before


async def test_where_nothing_was_chosen_it_says_what_is_advised(world: World, rollbacks: Rollbacks) -> None:
    asked = preventions.argument(world, Action.SCALE, "full")
    nothing = Prevention(options=asked.prevention.options, chosen=None, sentence="nothing is done: because")
    assert await begin(rollbacks.client, asked.model_copy(update={"prevention": nothing}))
    prevention = rollbacks.client.get_workflow_handle_for(PreventionWorkflow.run, prevention_id(REGION, "payments"))
    result = await prevention.result()
    assert (result.phase, result.action) == (PreventionPhase.ADVISED, None)


async def test_they_are_listed_also_where_one_has_no_pool_any_more(
    world: World, rollbacks: Rollbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.preventions.RPC_TIMEOUT", timedelta(seconds=2))
    ended = await (await start(rollbacks, Action.SCALE, "advise")).result()
    lost = preventions.argument(world, Action.SCALE, "approve").model_copy(update={"service": "ledger"})
    nobody = await rollbacks.client.start_workflow(
        PreventionWorkflow.run,
        lost,
        id=prevention_id(REGION, "ledger"),
        task_queue="nobody",
        memo={MEMO: lost.incident},
    )

    async def listed() -> dict[str, Listed] | None:
        found = {one.incident: one for one in await listing(rollbacks.client, 50)}
        return found if {ended.incident, lost.incident} <= found.keys() else None

    try:
        found = await until(listed, 30, "both are visible")
        assert found[ended.incident].phase is PreventionPhase.ADVISED
        assert found[ended.incident].service == "payments"
        assert found[lost.incident].phase is None
        assert "its build does not answer" in found[lost.incident].sentence
        with pytest.raises(SternwayError, match="no pool of its build has answered in time"):
            await say(rollbacks.client, REGION, "ledger", "abort", SOMEBODY)
        with pytest.raises(SternwayError, match="no prevention of payments in eu runs"):
            await say(rollbacks.client, REGION, "payments", "abort", SOMEBODY)
    finally:
        await nobody.terminate()


async def test_an_approval_that_nobody_waits_for_is_refused(world: World, rollbacks: Rollbacks) -> None:
    prevention = await start(rollbacks, Action.SCALE, seconds=FOR_LONG)
    await until_phase(prevention, PreventionPhase.KEEPING)
    with pytest.raises(WorkflowUpdateFailedError):
        await prevention.execute_update(PreventionWorkflow.approve, SOMEBODY)
    await prevention.execute_update(PreventionWorkflow.abort, SOMEBODY)
    await prevention.result()


async def test_what_it_did_is_a_chain_whose_end_is_anchored(world: World, rollbacks: Rollbacks) -> None:
    result = await (await start(rollbacks, Action.SCALE, seconds=1)).result()
    kinds = [event.kind for event in events(rollbacks.store, result.incident)]
    assert (kinds[0], kinds[-1]) == ("prevention-started", "prevention-ended")
    assert {"prevention-acts", "step", "receipt", "prevention-phase"} <= {*kinds}
    audit = verify(rollbacks.store)
    assert (audit.broken, audit.anchors) == ((), 1)


async def test_one_runs_at_a_time_for_a_service(world: World, rollbacks: Rollbacks) -> None:
    prevention = await start(rollbacks, Action.SCALE, "approve")
    another = preventions.argument(world, Action.RESTART, "full")
    assert not await begin(rollbacks.client, another)
    await prevention.execute_update(PreventionWorkflow.abort, SOMEBODY)
    assert (await prevention.result()).phase is PreventionPhase.ABORTED


async def test_its_lock_is_free_afterwards(world: World, rollbacks: Rollbacks) -> None:
    await (await start(rollbacks, Action.RESTART)).result()
    lock = rollbacks.client.get_workflow_handle(lock_id(REGION, "payments"))
    await lock.result()
