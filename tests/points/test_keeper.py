"""What serves well gets its point, once; what cannot be gone back to is marked; a newer release ends holds."""

from __future__ import annotations

import asyncio

import pytest

from activities.analytics.store import holds, journal, points
from activities.analytics.store.points import StoredPoint
from models.hold import STERNWAY
from models.point import Why
from models.verdict import Finding
from tests.points.conftest import Kept
from tests.store.journal_entries import held, started
from tests.waiting import until
from tests.world.world import World
from workers.points.keeper import PointKeeper

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def looked_until_there_is_one(kept: Kept, *keepers: PointKeeper) -> StoredPoint:
    """The first point that is made."""

    async def one() -> list[StoredPoint]:
        await asyncio.gather(*(keeper.look() for keeper in keepers))
        return points.points(kept.store, "payments")

    return (await until(one, 20, "a point of payments"))[0]


async def looked_through_a_soak(kept: Kept, keeper: PointKeeper) -> None:
    """As much as made a point before."""
    served = kept.world.served

    async def enough() -> bool:
        await keeper.look()
        return kept.world.served > served + 100

    await until(enough, 20, "a hundred payments")


async def test_what_serves_well_for_its_soak_gets_a_point_that_says_how_it_was(kept: Kept) -> None:
    made = (await looked_until_there_is_one(kept, kept.keeper())).point
    assert (made.service, made.region, made.release, made.why) == ("payments", "eu", "v2", Why.HEALTHY)
    assert made.weights["v2"] == 100
    assert made.replicas["v2"] == 1
    assert (made.health, made.usable(made.taken_at)) == (Finding.PASS, True)
    assert "of" in made.measured and "failed" in made.measured
    assert made.check_said and "the platform knows how to run v2" in made.check_said


async def test_gateways_that_look_at_once_and_go_on_looking_make_one_point(kept: Kept) -> None:
    one, other = kept.keeper(), kept.keeper()
    await looked_until_there_is_one(kept, one, other)
    await asyncio.gather(looked_through_a_soak(kept, one), looked_through_a_soak(kept, other))
    assert len(points.points(kept.store, "payments")) == 1


async def test_a_release_that_shares_its_traffic_gets_no_point(kept: Kept, world: World) -> None:
    await world.set_replicas("payments", {"replicas/v1": 1})
    await world.set_weights("payments", {"weight/v1": 50, "weight/v2": 50})
    await looked_through_a_soak(kept, kept.keeper())
    assert points.points(kept.store, "payments") == []


async def test_nothing_is_made_while_an_incident_of_the_service_is_open(kept: Kept) -> None:
    journal.append(kept.store, [started()])
    await looked_through_a_soak(kept, kept.keeper())
    assert points.points(kept.store, "payments") == []


async def test_a_round_notes_what_was_found_and_marks_what_cannot_be_run_any_more(kept: Kept) -> None:
    keeper = kept.keeper()
    made = await looked_until_there_is_one(kept, keeper)
    gone = made.point.model_copy(update={"release": "v0"})
    strange = made.point.model_copy(update={"service": "unheard-of"})
    ids = [kept_one.id for one in (gone, strange) if (kept_one := points.keep(kept.store, one, one.taken_at))]
    await keeper.check()
    stood, marked, open_one = (points.point(kept.store, id) for id in (made.id, *ids))
    assert stood and marked and open_one
    assert stood.point.valid and stood.point.checked_at and stood.point.checked_at > made.point.taken_at
    assert not marked.point.valid
    assert marked.point.reason and "does not know any more how to run v0; it knows v1, v2" in marked.point.reason
    assert (open_one.point.valid, open_one.point.check_said) == (
        True,
        "it could not be checked: the catalog has no unheard-of in eu",
    )


async def test_a_newer_release_ends_a_hold_and_an_older_one_does_not(kept: Kept, world: World) -> None:
    keeper = kept.keeper()
    journal.append(kept.store, [held("v2").model_copy(update={"at": (await world.workload()).deployments[0].at})])
    await world.deploy(("payments", "v1"))
    await keeper.check()
    assert [hold.release for hold in holds.held(kept.store)] == ["v2"]
    await world.deploy(("payments", "v3"))
    await keeper.check()
    assert holds.held(kept.store) == []
    (ended,) = holds.standing(kept.store)
    assert ended.lifted_by == STERNWAY, "v2 itself is no better for it"
    assert ended.lifted_reason and ended.lifted_reason.startswith("v3 was deployed at ")
    assert journal.events(kept.store, "I")[-1].kind == "hold-lifted"
