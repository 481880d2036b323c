"""Breakers that trip by evidence while an incident is open: at the proxies, at the guards, and restored with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from activities.analytics.store import intents, migrate, open_store
from activities.breaker import contract as breaker
from activities.breaker.trips import TripActivities
from activities.driver import Refused
from models.breaker import Trip
from models.catalog import RetriesAction
from models.incident import Modules, StepRecord
from models.intent import IntentRequest, Tier, Told
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
