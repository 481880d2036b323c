"""What each preventive action is for a service, and what stands in its way: a table, without any world."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from activities.prevention.measures import measures
from activities.rollback.target import Way
from models.catalog import BreakerPolicy, GuardShedding, MeshShedding, Policy, PreventionPolicy
from models.intent import Tier
from models.prevention import Action, Spent
from models.prevention_run import Measures, over_budget
from models.service_state import ServiceState
from models.stage import Mirror, Ready, Restart, Route, Scale

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
BACK = Way("v2", "v1", "v1 was deployed before v2")
ALL = PreventionPolicy(
    scale=2, warm=20, shift=30, shed=1, restart=True, roll_back=True, dollars_an_hour=10, actions_a_day=3
)


def state(weights: dict[str, int] | None = None, v1: int = 0, v2: int = 6, room: int | None = None) -> ServiceState:
    return ServiceState(
        region="eu",
        service="payments",
        weights={"v1": 0, "v2": 100} if weights is None else weights,
        mesh_generation=1,
        replicas={"v1": v1, "v2": v2},
        ready={},
        platform_generation=1,
        room=room,
    )


def found(
    action: Action,
    at: ServiceState | None = None,
    way: Way | None = BACK,
    rules: PreventionPolicy | None = ALL,
    breakers: BreakerPolicy | None = None,
) -> Measures:
    policy = Policy(prevention=rules, breakers=breakers)
    return measures(action, at or state(), way, policy, "because", NOW)


def test_replicas_are_added_as_far_as_the_policy_goes() -> None:
    (step,) = found(Action.SCALE).steps
    assert step.operation == Scale(release="v2", replicas=8), "half of six would be nine"
    assert step.check == Ready(release="v2", replicas=8, timeout=60)


def test_the_release_before_is_warmed_once_it_has_a_replica() -> None:
    one, copies = found(Action.WARM).steps
    assert one.operation == Scale(release="v1", replicas=1)
    assert copies.operation == Mirror(release="v1", percent=20)


def test_a_share_is_shifted_to_a_release_that_has_the_capacity_for_it() -> None:
    capacity, weight = found(Action.SHIFT).steps
    assert capacity.operation == Scale(release="v1", replicas=2)
    assert weight.operation == Route(weights={"v1": 30, "v2": 70})


def test_the_release_that_serves_is_restarted() -> None:
    (step,) = found(Action.RESTART).steps
    assert step.operation == Restart(release="v2", at=NOW)
    assert step.check == Ready(release="v2", replicas=6, timeout=60)


def test_shedding_trips_what_the_policy_says_of_the_breakers() -> None:
    mesh = found(Action.SHED, breakers=BreakerPolicy(shed=MeshShedding(max_requests=40))).trip
    guards = found(Action.SHED, breakers=BreakerPolicy(shed=GuardShedding(least_value=5))).trip
    assert mesh and (mesh.tier, mesh.max_requests) == (Tier.SYSTEM, 40)
    assert guards and (guards.tier, guards.max_requests) == (Tier.SYSTEM, None)


def test_rolling_back_is_left_to_an_incident() -> None:
    left = found(Action.ROLL_BACK)
    assert (left.steps, left.trip, left.cannot) == ((), None, None)


@pytest.mark.parametrize(
    ("action", "at", "way", "why"),
    [
        (Action.SCALE, state(room=7), BACK, "there is room for 7 replicas, 8 are wanted"),
        (Action.SHIFT, state(room=7), BACK, "there is room for 7 replicas, 8 are wanted"),
        (Action.WARM, state(room=6), BACK, "there is room for 6 replicas, 7 are wanted"),
        (Action.SHIFT, state({"v1": 40, "v2": 60}), BACK, "v1 has 40% of the requests already"),
        (Action.SHIFT, state(), Way("v2", None, "no release older than v2 is known"), "no release older than v2"),
        (Action.WARM, state(), None, "which releases are held is not known"),
        (Action.SCALE, state({}), BACK, "nothing of payments is routed in eu"),
        (Action.SHED, state(), BACK, "does not say how to shed"),
    ],
)
def test_what_cannot_be_done_says_why(action: Action, at: ServiceState, way: Way | None, why: str) -> None:
    refused = found(action, at, way)
    assert refused.cannot and why in refused.cannot
    assert refused.steps == ()


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("rules", [None, PreventionPolicy(dollars_an_hour=10)], ids=["no policy", "nothing named"])
def test_what_the_policy_does_not_name_is_not_done(action: Action, rules: PreventionPolicy | None) -> None:
    assert found(action, rules=rules).cannot == f"the policy does not approve {action}"


@pytest.mark.parametrize(
    ("spent", "why"),
    [
        (Spent(dollars=0, actions=2), None),
        (Spent(dollars=9, actions=2), None),
        (Spent(dollars=9.5, actions=2), "it costs $1.00, and $0.50 of the hour's budget are left"),
        (Spent(dollars=0, actions=3), "3 of 3 actions a day were taken"),
        (None, "what was spent of the budget is not known: no store could be asked"),
    ],
)
def test_a_budget_bounds_dollars_and_actions_and_unknown_is_not_zero(spent: Spent | None, why: str | None) -> None:
    assert over_budget(ALL, spent, 1) == why
