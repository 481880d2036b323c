"""What a trip is at the proxies and at the guards: as the policy approves it, and nothing shed twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.breaker.rendering import at_guards, at_proxies
from models.breaker import Trip
from models.catalog import BreakerPolicy, GuardShedding, LimitAction, MeshShedding, Protection, RetriesAction
from models.intent import Rendering, Tier

FAILS = Trip(tier=Tier.SERVICE, because="it fails")
FULL = Trip(tier=Tier.SYSTEM, because="it is full", max_requests=40)


@pytest.mark.parametrize(
    ("breakers", "trip", "proxies", "guards"),
    [
        (BreakerPolicy(retries=5), FAILS, RetriesAction(max_percent=5), Rendering(retries=0.05)),
        (BreakerPolicy(retries=0), FAILS, RetriesAction(max_percent=0), Rendering(retries=0)),
        (BreakerPolicy(guards="arm"), FAILS, None, Rendering(mode="on")),
        (BreakerPolicy(guards="open"), FAILS, None, Rendering(mode="forced-open")),
        (BreakerPolicy(shed=MeshShedding()), FAILS, None, Rendering()),
        (BreakerPolicy(shed=MeshShedding()), FULL, LimitAction(max_requests=40), Rendering()),
        (BreakerPolicy(shed=MeshShedding(max_requests=9)), FULL, LimitAction(max_requests=9), Rendering()),
        (BreakerPolicy(shed=GuardShedding(least_value=2)), FULL, None, Rendering(least_value=2)),
        (BreakerPolicy(retries=5, guards="open"), FULL, None, Rendering()),
    ],
)
def test_as_approved(breakers: BreakerPolicy, trip: Trip, proxies: Protection | None, guards: Rendering) -> None:
    assert at_proxies(breakers, trip, 1) == proxies
    assert at_guards(breakers, trip) == guards


def test_proxies_share_what_the_service_can_do() -> None:
    assert at_proxies(BreakerPolicy(shed=MeshShedding()), FULL, 3) == LimitAction(max_requests=14)


SHEDDING = st.sampled_from([None, MeshShedding(), MeshShedding(max_requests=3), GuardShedding(least_value=1)])


@given(SHEDDING, st.sampled_from([FAILS, FULL]), st.sampled_from([None, 0, 10]), st.sampled_from([None, "arm", "open"]))
def test_nothing_is_shed_twice(shed: object, trip: Trip, retries: int | None, guards: str | None) -> None:
    breakers = BreakerPolicy.model_validate({"shed": shed, "retries": retries, "guards": guards})
    sheds = [isinstance(at_proxies(breakers, trip, 2), LimitAction), at_guards(breakers, trip).least_value is not None]
    assert sum(sheds) <= 1
