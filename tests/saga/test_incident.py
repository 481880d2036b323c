"""Whole incidents in the small real world: levels, people's words, and what is left afterwards."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from temporalio.client import WorkflowUpdateFailedError

from activities.analytics.contract import COMPARE, CompareRequest
from activities.analytics.store import incidents
from activities.analytics.store.journal import events
from models.alert import AlertReference, AlertStatus, Severity
from models.catalog import Level
from models.incident import Coordination, Milestone, Modules
from tests.saga.conftest import Rollbacks
from tests.saga.incidents import SOMEBODY, Incident, start, state, until_phase
from tests.saga.picture import picture
from tests.waiting import until
from tests.world.world import Mishap, World
from workers.conversion import data_converter
from workflows.incident import IncidentWorkflow
from workflows.search import SEVERITY

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("coordination", list(Coordination))
async def test_an_incident_protects_rolls_back_lifts_and_confirms(
    world: World, rollbacks: Rollbacks, coordination: Coordination
) -> None:
    result = await (await start(rollbacks, coordination=coordination)).result()

    assert result.phase == "resolved", result.sentence
    assert (result.strategy, result.target) == ("immediate", "v1")
    assert (await world.routing()).weights == {"v1": 100, "v2": 0}
    assert await world.leases("payments") == []
    assert set(result.milestones) == {m.value for m in Milestone}
    reached = [result.milestones[m] for m in Milestone]
    assert reached == sorted(reached)
    assert world.failures == []


async def test_a_comparison_is_told_when_the_trouble_and_the_bad_release_came(
    world: World, rollbacks: Rollbacks
) -> None:
    catalog = world.another_catalog("soak: 1,", "soak: 1, strategy: gradual,")
    incident = await start(rollbacks, catalog=catalog)
    result = await incident.result()
    rollback = rollbacks.client.get_workflow_handle(f"rollback:{result.incident}:payments")
    asked = [
        event.activity_task_scheduled_event_attributes.input
        for event in (await rollback.fetch_history()).events
        if event.activity_task_scheduled_event_attributes.activity_type.name == COMPARE.name
    ]
    assert asked, result.sentence
    plan = (await state(incident)).plan
    assert plan and plan.rollback
    for one in asked:
        (request,) = await data_converter.decode(one.payloads, [CompareRequest])
        assert request.began_at == result.milestones[Milestone.RECEIVED]
        assert request.deployed_at == plan.rollback.first.state.deployed_at("v2") is not None


async def test_an_incident_held_after_its_rollback_goes_on_from_there(world: World, rollbacks: Rollbacks) -> None:
    incident = await start(rollbacks)

    async def lifted() -> bool:
        return Milestone.LIFTED in (await state(incident)).milestones

    await until(lifted, 30, "the rollback is done and verified")
    world.users_are_away = True
    await until_phase(incident, "held")
    held, generations = await state(incident), await world.generations()
    world.users_are_away = False
    await incident.execute_update(IncidentWorkflow.retry, SOMEBODY)
    result = await incident.result()

    assert result.phase == "resolved", result.sentence
    assert (await state(incident)).plan == held.plan, "what is done is not planned again"
    assert await world.generations() == generations


async def test_level_advise_changes_nothing(world: World, rollbacks: Rollbacks) -> None:
    before = await picture(world), await world.generations()

    result = await (await start(rollbacks, level=Level.ADVISE)).result()

    assert result.phase == "advised"
    assert "immediate rollback of payments in eu from v2 to v1" in result.sentence
    assert (await picture(world), await world.generations()) == before
    assert await world.leases("payments") == []


async def test_level_protect_protects_and_waits_for_an_approval_of_the_very_plan(
    world: World, rollbacks: Rollbacks
) -> None:
    before = await picture(world)
    incident = await start(rollbacks, level=Level.PROTECT)
    await until_phase(incident, "awaiting-approval")
    assert len(await world.leases("payments")) == 1
    assert await picture(world) == before

    with pytest.raises(WorkflowUpdateFailedError):
        await incident.execute_update(IncidentWorkflow.approve, SOMEBODY.model_copy(update={"plan": "another"}))
    plan = (await state(incident)).plan
    assert plan is not None
    await incident.execute_update(IncidentWorkflow.approve, SOMEBODY.model_copy(update={"plan": plan.hash}))

    assert (await incident.result()).phase == "resolved"
    phases = [event.payload or {} for event in events(rollbacks.store, plan.incident) if event.kind == "phase"]
    (waited,) = [phase["detail"] for phase in phases if phase["phase"] == "awaiting-approval"]
    assert f"`sternway incidents approve {plan.incident} --plan {plan.hash}` lets it run" in waited
    assert "without an approval in 900 s it is held" in waited


async def test_an_abort_in_the_middle_undoes_everything_and_the_protection(world: World, rollbacks: Rollbacks) -> None:
    before = await picture(world)
    incident = await start(rollbacks)
    await until(lambda: world.serves("v1"), 30, "traffic was switched")

    await incident.execute_update(IncidentWorkflow.abort, SOMEBODY)
    result = await incident.result()

    assert result.phase == "aborted", result.sentence
    assert await picture(world) == before
    assert await world.leases("payments") == []


async def test_an_abort_that_meets_somebody_elses_change_says_so(world: World, rollbacks: Rollbacks) -> None:
    mishap = Mishap(step="retire", action="change", kind="silent-after-effect")
    world.mishaps.pending.append(mishap)
    incident = await start(rollbacks)
    await until_phase(incident, "held")
    world.mishaps.pending.clear()
    await world.set_replicas("payments", {"replicas/v2": 2})

    await incident.execute_update(IncidentWorkflow.abort, SOMEBODY)
    result = await incident.result()

    assert result.phase == "held"
    assert "scale v2 from 1 to 0: somebody else changed it" in result.sentence
    assert (await world.workload()).replicas == {"v1": 1, "v2": 2}


async def held_by_somebody_elses_change(world: World, rollbacks: Rollbacks) -> Incident:
    """Its gradual rollback has sent a tenth of the traffic to v1 when somebody else changes the weights."""
    catalog = world.another_catalog("min_requests: 10", "min_requests: 1, strategy: gradual")
    incident = await start(rollbacks, catalog=catalog, modules=Modules(breaker=False))
    rollback = rollbacks.client.get_workflow_handle(f"rollback:{(await state(incident)).incident}:payments")
    await until_phase(incident, "executing")
    await until(lambda: rollbacks.offered(rollback, COMPARE.name, 1), 30, "the first share is watched")
    await incident.execute_update(IncidentWorkflow.pause, SOMEBODY)
    await until(lambda: rollbacks.finished(rollback, COMPARE.name), 30, "the first share has passed")
    await world.set_weights("payments", {"weight/v1": 20, "weight/v2": 80})
    await incident.execute_update(IncidentWorkflow.resume, SOMEBODY)
    await until_phase(incident, "held")
    return incident


async def test_a_rollback_that_meets_somebody_elses_change_of_its_traffic_is_planned_anew_from_there(
    world: World, rollbacks: Rollbacks
) -> None:
    """Its own plan can never go on, however often it is tried again, and undoing would undo what is not its own."""
    incident = await held_by_somebody_elses_change(world, rollbacks)
    held = await state(incident)
    assert "The plan was made for what was there before" in (held.hold or "")
    assert "Not taken back: scale v1 from 0 to 1, route 10% to v1, " in (held.hold or "")
    assert "route 25% to v1;" not in (held.hold or ""), "that was refused"
    assert (await world.routing()).weights == {"v1": 20, "v2": 80}

    await incident.execute_update(IncidentWorkflow.retry, SOMEBODY)
    result = await incident.result()

    assert result.phase == "resolved", result.sentence
    assert (await world.routing()).weights == {"v1": 100, "v2": 0}
    assert world.failures == []


async def test_an_abort_names_what_an_earlier_attempt_has_left_whatever_became_of_a_later_one(
    world: World, rollbacks: Rollbacks
) -> None:
    incident = await held_by_somebody_elses_change(world, rollbacks)
    first = (await state(incident)).hold or ""

    refused = Mishap(step="share-25-weight", action="change", kind="refused")
    world.mishaps.pending.append(refused)
    await incident.execute_update(IncidentWorkflow.retry, SOMEBODY)
    await until(lambda: refused.happened, 40, "the second attempt went wrong")
    await until_phase(incident, "held")
    assert (await state(incident)).hold != first
    await incident.execute_update(IncidentWorkflow.abort, SOMEBODY)
    result = await incident.result()

    assert result.phase == "held"
    assert "the rollback of payments to v1 stays in place" in result.sentence
    assert "route 10% to v1" in result.sentence


async def test_an_abort_while_users_are_still_watched_is_not_lost(world: World, rollbacks: Rollbacks) -> None:
    incident = await start(rollbacks)

    async def lifted() -> bool:
        return Milestone.LIFTED in (await state(incident)).milestones

    await until(lifted, 30, "the rollback is done, and its users are watched")
    await incident.execute_update(IncidentWorkflow.abort, SOMEBODY)
    result = await incident.result()

    assert result.phase == "held"
    assert result.sentence.startswith("aborted by a test")
    assert "the rollback of payments to v1 stays in place" in result.sentence


async def test_a_cancellation_in_temporal_is_an_abort(world: World, rollbacks: Rollbacks) -> None:
    before = await picture(world)
    incident = await start(rollbacks)
    await until(lambda: world.serves("v1"), 30, "traffic was switched")

    await incident.cancel()
    result = await incident.result()

    assert result.phase == "aborted", result.sentence
    assert await picture(world) == before


async def test_a_paused_incident_begins_no_step_until_it_is_resumed(world: World, rollbacks: Rollbacks) -> None:
    incident = await start(rollbacks)
    await incident.execute_update(IncidentWorkflow.pause, SOMEBODY)
    before = await picture(world)
    await until_phase(incident, "executing")
    assert (await state(incident)).paused
    with pytest.raises(WorkflowUpdateFailedError):
        await incident.execute_update(IncidentWorkflow.pause, SOMEBODY)
    assert await picture(world) == before

    await incident.execute_update(IncidentWorkflow.resume, SOMEBODY)

    assert (await incident.result()).phase == "resolved"


async def test_a_held_incident_tries_again_when_a_person_says_so(world: World, rollbacks: Rollbacks) -> None:
    mishap = Mishap(step="scale-target", action="change", kind="refused")
    world.mishaps.pending.append(mishap)
    incident = await start(rollbacks)
    await until_phase(incident, "held")
    assert "refused by the test" in ((await state(incident)).hold or "")
    assert len(await world.leases("payments")) == 1

    world.mishaps.pending.clear()
    await incident.execute_update(IncidentWorkflow.retry, SOMEBODY)
    result = await incident.result()

    assert result.phase == "resolved", result.sentence


async def test_modules_that_are_switched_off_are_not_consulted(world: World, rollbacks: Rollbacks) -> None:
    off = Modules(predictor=False, propagation=False, breaker=False)
    incident = await start(rollbacks, modules=off)
    result = await incident.result()

    history = await incident.fetch_history()
    asked = {e.activity_task_scheduled_event_attributes.activity_type.name for e in history.events}
    assert result.phase == "resolved", result.sentence
    assert not {name for name in asked if name.startswith(("predictor.", "propagation.", "breaker."))}
    assert Milestone.PROTECTED not in result.milestones


@pytest.mark.parametrize("off", [Modules(rollback=False), Modules(mesh=False)])
async def test_a_plan_whose_modules_are_switched_off_is_held_and_changes_nothing(
    world: World, rollbacks: Rollbacks, off: Modules
) -> None:
    before = await picture(world)
    incident = await start(rollbacks, modules=off)
    await until_phase(incident, "held")
    assert "switched off" in ((await state(incident)).hold or "")

    await incident.execute_update(IncidentWorkflow.abort, SOMEBODY)

    assert (await incident.result()).phase == "aborted"
    assert await picture(world) == before


async def test_a_second_incident_never_goes_further_back(world: World, rollbacks: Rollbacks) -> None:
    assert (await (await start(rollbacks)).result()).phase == "resolved"

    second = await start(rollbacks)
    await until_phase(second, "held")
    assert "going further back is for a person" in ((await state(second)).hold or "")
    await second.execute_update(IncidentWorkflow.abort, SOMEBODY)
    await second.result()

    assert (await world.routing()).weights == {"v1": 100, "v2": 0}


async def test_an_abort_right_after_the_start_is_not_lost(world: World, rollbacks: Rollbacks) -> None:
    before = await picture(world)
    incident = await start(rollbacks)
    await incident.execute_update(IncidentWorkflow.abort, SOMEBODY)

    assert (await incident.result()).phase == "aborted"
    assert await picture(world) == before
    assert await world.leases("payments") == []


def joining(severity: Severity, status: AlertStatus = AlertStatus.FIRING) -> AlertReference:
    now = datetime.now(UTC)
    return AlertReference(id=7, fingerprint="f", status=status, severity=severity, starts_at=now, received_at=now)


async def test_an_alert_that_joins_can_raise_the_severity_and_none_lowers_it(
    world: World, rollbacks: Rollbacks
) -> None:
    incident = await start(rollbacks, level=Level.PROTECT, severity=Severity.INFO)
    await incident.signal(
        IncidentWorkflow.alerts, [joining(Severity.CRITICAL, AlertStatus.RESOLVED), joining(Severity.WARNING)]
    )
    await incident.signal(IncidentWorkflow.alerts, [joining(Severity.INFO)])
    await until_phase(incident, "awaiting-approval")

    told = await state(incident)
    found = (await incident.describe()).typed_search_attributes
    await incident.execute_update(IncidentWorkflow.abort, SOMEBODY)
    await incident.result()

    assert told.severity is Severity.WARNING
    assert found[SEVERITY] == "warning"
    stored = incidents.incident(rollbacks.store, told.incident)
    assert stored and (stored.severity, stored.alerts) == (Severity.WARNING, 3)


async def test_alerts_that_join_are_known_once(world: World, rollbacks: Rollbacks) -> None:
    incident = await start(rollbacks, level=Level.PROTECT)
    alert = joining(Severity.CRITICAL)
    for _ in range(3):
        await incident.signal(IncidentWorkflow.alerts, [alert])
    await incident.signal(IncidentWorkflow.alerts, [alert.model_copy(update={"status": AlertStatus.RESOLVED})])

    known = (await state(incident)).alerts
    had = await incident.query(IncidentWorkflow.had, [alert, alert.model_copy(update={"fingerprint": "another"})])
    await incident.execute_update(IncidentWorkflow.abort, SOMEBODY)
    await incident.result()

    assert [a.status for a in known] == ["firing", "resolved"]
    assert had == [True, False]
