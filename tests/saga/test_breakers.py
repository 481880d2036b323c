"""Breakers that trip by evidence while an incident is open: at the proxies, at the guards, and restored with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.testing import ActivityEnvironment

from activities.analytics.store import intents, migrate, open_store
from activities.breaker import contract as breaker
from activities.breaker.driver import Protector
from activities.breaker.trips import TripActivities
from activities.driver import Refused
from models.breaker import Trip, Trips
from models.catalog import LimitAction, RetriesAction
from models.incident import Modules, StepRecord
from models.intent import IntentRequest, Tier, Told
from models.lease import Lease, LeaseRequest
from models.scope import Scope
from tests.saga.conftest import Rollbacks
from tests.saga.incidents import SOMEBODY, Incident, start, state, until_phase
from tests.waiting import until
from tests.world.world import World
from workers.local.world import REGION
from workflows.incident import IncidentWorkflow

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOBODY_ROLLS_BACK = Modules(rollback=False)
"""So the incident is held, and its trouble stays."""


@pytest_asyncio.fixture(loop_scope="session")
async def failing(world: World) -> AsyncGenerator[World]:
    """v2 serves, and fails 60% of the payments."""
    await world.serve("payments", "v1")
    await world.deploy(("payments", "v2"), fault="errors")
    await world.serve("payments", "v2")
    yield world
    await world.serve("payments", "v1")
    await world.deploy(("payments", "v2"))


async def step(incident: Incident, id: str = "trip-service") -> StepRecord | None:
    return next((step for step in (await state(incident)).steps if step.step == id), None)


async def tripped(incident: Incident) -> StepRecord | None:
    found = await step(incident)
    return found if found and found.status != "registered" else None


def told(rollbacks: Rollbacks) -> dict[str, Told]:
    return intents.state(rollbacks.store, REGION)[1]


async def test_a_service_that_fails_trips_its_breakers_until_the_incident_is_aborted(
    failing: World, rollbacks: Rollbacks
) -> None:
    incident = await start(rollbacks, catalog=failing.with_breakers(), modules=NOBODY_ROLLS_BACK)
    found = await until(lambda: tripped(incident), 30, "the breakers have tripped")
    assert found.status == "done"
    protections = [lease.protection for lease in await failing.leases("payments")]
    assert RetriesAction(max_percent=5) in protections, "and the first action stays as it was"
    assert len(protections) == 2
    assert told(rollbacks) == {"payments": Told(mode="on", retries=0.05)}
    (intent,) = intents.holding(rollbacks.store, REGION)
    assert "requests failed, and 10% would be harm" in intent.because
    assert found.detail == intent.because

    async def renewed() -> bool:
        return intents.holding(rollbacks.store, REGION)[0].expires_at > intent.expires_at

    await until(renewed, 10, "they are renewed, at the proxies as well as at the guards")
    await until_phase(incident, "held")
    await incident.execute_update(IncidentWorkflow.abort, SOMEBODY)

    assert (await incident.result()).phase == "aborted"
    assert await failing.leases("payments") == []
    assert told(rollbacks) == {}
    assert [(s.step, s.status) for s in (await state(incident)).steps if s.module == "breaker"] == [
        ("protect", "undone"),
        ("trip-service", "undone"),
    ]


async def test_they_are_restored_before_the_users_are_watched_whatever_has_tripped_until_then(
    failing: World, rollbacks: Rollbacks
) -> None:
    incident = await start(rollbacks, catalog=failing.with_breakers())
    result = await incident.result()

    assert result.phase == "resolved", result.sentence
    assert await failing.leases("payments") == []
    assert told(rollbacks) == {}
    assert {s.status for s in result.steps if s.module == "breaker"} == {"undone"}


async def test_a_person_s_word_stands_above_what_has_tripped_and_is_never_overwritten(
    failing: World, rollbacks: Rollbacks
) -> None:
    incident = await start(rollbacks, catalog=failing.with_breakers(), modules=NOBODY_ROLLS_BACK)
    await until(lambda: tripped(incident), 30, "the breakers have tripped")
    intents.take(
        rollbacks.store,
        IntentRequest(
            id="a-word",
            owner="a person",
            tier=Tier.PERSON,
            region=REGION,
            target="payments",
            because="the provider says it is well",
            mode="off",
            seconds=60,
        ),
        datetime.now(UTC),
    )

    async def only_the_first_action() -> bool:
        leases = await failing.leases("payments")
        return RetriesAction(max_percent=5) not in [lease.protection for lease in leases]

    await until(only_the_first_action, 10, "the proxies enforce it no more")
    assert told(rollbacks) == {"payments": Told(mode="off", override=True)}
    await until_phase(incident, "held")
    await incident.execute_update(IncidentWorkflow.abort, SOMEBODY)
    assert (await incident.result()).phase == "aborted"
    assert told(rollbacks) == {"payments": Told(mode="off", override=True)}


async def test_nothing_trips_at_a_service_that_is_well(world: World, rollbacks: Rollbacks) -> None:
    incident = await start(rollbacks, catalog=world.with_breakers())
    result = await incident.result()
    assert result.phase == "resolved", result.sentence
    assert "trip-service" not in [s.step for s in result.steps]


async def test_a_store_that_is_away_keeps_nothing_from_the_proxies(world: World, tmp_path: Path) -> None:
    catalog = world.with_breakers()
    away = open_store(f"postgresql://postgres@/sternway?host={tmp_path}")
    there = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(there)
    scope = world.scope().model_copy(update={"catalog": catalog.digest})
    call = breaker.TripCall(**scope.model_dump(), trip=Trip(tier=Tier.SERVICE, because="it fails"))

    tripped = await TripActivities(world.directory, away).trip(call)

    assert (tripped.active, "not told yet: the store is away" in tripped.sentence) == (True, True)
    assert [lease.protection for lease in await world.leases("payments")] == [RetriesAction(max_percent=5)]
    assert (await TripActivities(world.directory, there).trip(call)).active
    assert intents.state(there, REGION)[1] == {"payments": Told(mode="on", retries=0.05)}, "told by the renewal"
    restored = await TripActivities(world.directory, away).restore(call)
    assert "guards hear it within 5 s" in restored.sentence
    assert await world.leases("payments") == []
    for store in (away, there):
        store.close()


async def test_what_was_restored_stays_so_whatever_comes_late(world: World, rollbacks: Rollbacks) -> None:
    scope = world.scope().model_copy(update={"catalog": world.with_breakers().digest})
    call = breaker.TripCall(**scope.model_dump(), trip=Trip(tier=Tier.SERVICE, because="it fails"))
    activities = TripActivities(world.directory, rollbacks.store)
    await activities.restore(call)

    late = await activities.trip(call)
    assert (late.active, "released or has lapsed" in late.sentence) == (False, True)
    assert await world.leases("payments") == []
    assert told(rollbacks) == {}


async def test_what_the_policy_does_not_approve_is_refused(world: World, rollbacks: Rollbacks) -> None:
    call = breaker.TripCall(**world.scope().model_dump(), trip=Trip(tier=Tier.SERVICE, because="somebody says so"))
    with pytest.raises(Refused, match="approves nothing at the breakers"):
        await TripActivities(world.directory, rollbacks.store).trip(call)
    assert await world.leases("payments") == []


async def test_a_service_that_is_saturated_is_bounded_by_the_proxies_and_by_no_guard(
    world: World, rollbacks: Rollbacks
) -> None:
    await world.serve("payments", "v1")
    await world.deploy(("payments", "v2"), fault="latency")
    await world.serve("payments", "v2")
    catalog = world.another_catalog("lease: 5", "lease: 5\n    breakers: {shed: {by: mesh, max_requests: 1}}")
    incident = await start(rollbacks, catalog=catalog, modules=NOBODY_ROLLS_BACK)

    async def bounded() -> bool:
        found = await step(incident, "trip-system")
        return found is not None and found.status == "done"

    await until(bounded, 30, "its one user is always in flight")
    assert LimitAction(max_requests=1) in [lease.protection for lease in await world.leases("payments")]
    (intent,) = intents.holding(rollbacks.store, REGION)
    assert (intent.tier, intent.max_requests, intent.in_words) == (Tier.SYSTEM, 1, "")
    await until_phase(incident, "held")
    await incident.execute_update(IncidentWorkflow.abort, SOMEBODY)
    assert (await incident.result()).phase == "aborted"
    assert await world.leases("payments") == []
    await world.serve("payments", "v1")
    await world.deploy(("payments", "v2"))


async def test_a_trip_that_is_on_its_way_when_a_person_aborts_is_taken_back_as_well(
    failing: World, rollbacks: Rollbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowProtector(await failing.directory.protector(failing.scope()))

    async def protector(_scope: Scope) -> SlowProtector:
        return slow

    monkeypatch.setattr(failing.directory, "protector", protector)
    incident = await start(rollbacks, catalog=failing.with_breakers(), modules=NOBODY_ROLLS_BACK)
    await until(slow.asked.is_set, 30, "the control plane is asked to trip them")
    await until_phase(incident, "held")
    aborting = asyncio.create_task(incident.execute_update(IncidentWorkflow.abort, SOMEBODY))
    await asyncio.sleep(0.5)
    slow.may_answer.set()
    await aborting

    assert (await incident.result()).phase == "aborted"
    assert await failing.leases("payments") == []
    assert told(rollbacks) == {}
    assert [s.status for s in (await state(incident)).steps if s.step == "trip-service"] == ["undone"]


async def test_what_a_held_incident_has_tripped_lapses_by_itself_when_nobody_comes(
    failing: World, rollbacks: Rollbacks
) -> None:
    catalog = failing.another_catalog(
        "lease: 5\n    hold_timeout: 60", "lease: 5\n    breakers: {retries: 5}\n    hold_timeout: 8"
    )
    incident = await start(rollbacks, catalog=catalog, modules=NOBODY_ROLLS_BACK)
    await until(lambda: tripped(incident), 30, "the breakers have tripped")
    assert (await incident.result()).phase == "held"

    async def lapsed() -> bool:
        return await failing.leases("payments") == []

    assert not await lapsed(), "nobody has restored them"
    await until(lapsed, 8, "nobody renews them any more")


class SlowProtector:
    """A real one that trips no breakers before it may."""

    def __init__(self, protector: Protector) -> None:
        self._protector = protector
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def take(self, request: LeaseRequest) -> Lease:
        if request.id.endswith("-service"):
            self.asked.set()
            await self.may_answer.wait()
        return await self._protector.take(request)

    async def renew(self, id: str, seconds: float) -> Lease:
        return await self._protector.renew(id, seconds)

    async def release(self, id: str) -> Lease:
        return await self._protector.release(id)


async def test_a_tier_that_has_nothing_to_do_is_not_watched(failing: World, rollbacks: Rollbacks) -> None:
    catalog = failing.another_catalog("lease: 5", "lease: 5\n    breakers: {shed: {by: mesh, max_requests: 1000}}")
    scope = failing.scope().model_copy(update={"catalog": catalog.digest})
    call = breaker.WatchCall(**scope.model_dump(), began_at=datetime.now(UTC), tiers=(Tier.SYSTEM,), seconds=6)
    watched = TripActivities(failing.directory, rollbacks.store)
    assert await ActivityEnvironment().run(watched.watch, call) == Trips(trips=())
