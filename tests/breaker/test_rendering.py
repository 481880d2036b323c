"""What a trip is at the proxies and at the guards: as the policy approves it, and nothing shed twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.breaker.rendering import at_guards, at_proxies
from models.breaker import Trip
from models.catalog import Breakers, GuardShedding, LimitAction, MeshShedding, Protection, RetriesAction
from models.intent import Rendering, Tier

FAILS = Trip(tier=Tier.SERVICE, because="it fails")
FULL = Trip(tier=Tier.SYSTEM, because="it is full", max_requests=40)


@pytest.mark.parametrize(
    ("breakers", "trip", "proxies", "guards"),
    [
        (Breakers(retries=5), FAILS, RetriesAction(max_percent=5), Rendering(retries=0.05)),
        (Breakers(retries=0), FAILS, RetriesAction(max_percent=0), Rendering(retries=0)),
        (Breakers(guards="arm"), FAILS, None, Rendering(mode="on")),
        (Breakers(guards="open"), FAILS, None, Rendering(mode="forced-open")),
        (Breakers(shed=MeshShedding()), FAILS, None, Rendering()),
        (Breakers(shed=MeshShedding()), FULL, LimitAction(max_requests=40), Rendering()),
        (Breakers(shed=MeshShedding(max_requests=9)), FULL, LimitAction(max_requests=9), Rendering()),
        (Breakers(shed=GuardShedding(least_value=2)), FULL, None, Rendering(least_value=2)),
        (Breakers(retries=5, guards="open"), FULL, None, Rendering()),
    ],
)
def test_as_approved(breakers: Breakers, trip: Trip, proxies: Protection | None, guards: Rendering) -> None:
    assert at_proxies(breakers, trip) == proxies
    assert at_guards(breakers, trip) == guards


SHEDDING = st.sampled_from([None, MeshShedding(), MeshShedding(max_requests=3), GuardShedding(least_value=1)])


@given(SHEDDING, st.sampled_from([FAILS, FULL]), st.sampled_from([None, 0, 10]), st.sampled_from([None, "arm", "open"]))
def test_nothing_is_shed_twice(shed: object, trip: Trip, retries: int | None, guards: str | None) -> None:
    breakers = Breakers.model_validate({"shed": shed, "retries": retries, "guards": guards})
    sheds = [isinstance(at_proxies(breakers, trip), LimitAction), at_guards(breakers, trip).least_value is not None]
    assert sum(sheds) <= 1
