"""The first rule that matches is taken, in their order, and every rule before it says what it saw."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest

from activities.rollback.selection import HOLD, RULES, STRATEGIES, select
from activities.rollback.strategies import emergency
from models.catalog import RollbackPolicy, StrategyName
from models.circumstances import Circumstances, Confidence, Loss

POLICY = RollbackPolicy(loss_budget=5000)

SURE = Confidence(high=True, because="v2 was deployed 0:05:00 before the trouble began, and fails")
UNSURE = Confidence(high=False, because="when v2 was deployed is not known")

CALM = Circumstances(
    service="payments",
    obstacles=(),
    target="v1",
    way="v1 was deployed before v2",
    corruption=False,
    incompatible=None,
    confidence=UNSURE,
    burn_rate=2.0,
    failing=0.1,
    bad=0.1,
    requests=1000,
    rate=1.0,
    loss=Loss(minutes=1, per_minute=1.0, most=1000, source="catalog"),
    ready=0,
    full=4,
    room=None,
    at_once=8,
    at_once_gradually=6,
    target_share=0,
    going_back=("payments",),
    durations={},
    emergency_allowed=None,
)
"""Nothing that asks for anything but the last rule."""

MATCHING: dict[str, tuple[dict[str, object], str]] = {
    "1 no way back": ({"target": None}, HOLD),
    "2 corruption": ({"corruption": True}, HOLD),
    "3 incompatible": ({"target": None, "incompatible": "v1 does not know the schema"}, HOLD),
    "4 too costly to wait": ({"failing": 1.0, "emergency_allowed": "the policy"}, "emergency"),
    "5 several services": ({"going_back": ("payments", "ledger")}, "staged"),
    "the policy's choice": ({}, "gradual"),
    "6 warm colour": ({"ready": 4}, "blue-green"),
    "7 sure and urgent": ({"confidence": SURE, "burn_rate": 100.0}, "immediate"),
    "8 unsure": ({"rate": 100.0}, "canary-reverse"),
    "9 otherwise": ({}, "immediate"),
}
"""By rule: what makes it match, and what it takes."""


def seen(*rules: str, **changed: object) -> Circumstances:
    """What makes all of *rules* match."""
    values = {name: value for rule in rules for name, value in MATCHING[rule][0].items()}
    return CALM.model_copy(update=values | changed)


def policy(*rules: str) -> RollbackPolicy:
    return POLICY.model_copy(update={"strategy": "gradual"}) if "the policy's choice" in rules else POLICY


def taken(now: Circumstances, of: RollbackPolicy = POLICY) -> tuple[str, str]:
    """The rule, and what it takes."""
    found = select(now, of)
    name = next(name for name, _ in RULES if found.because.startswith(f"rule {name}: "))
    return name, found.strategy


def test_the_table_is_of_every_rule_in_its_order() -> None:
    assert list(MATCHING) == [name for name, _ in RULES]


@pytest.mark.parametrize("rule", MATCHING)
def test_each_rule_takes_what_it_is_for(rule: str) -> None:
    assert taken(seen(rule), policy(rule)) == (rule, MATCHING[rule][1])


NEIGHBOURS = [pair for pair in pairwise(MATCHING) if pair != ("7 sure and urgent", "8 unsure")]
"""To be sure and to be unsure exclude each other; no two others do."""


@pytest.mark.parametrize(("first", "second"), NEIGHBOURS)
def test_of_two_neighbours_that_match_the_first_is_taken(first: str, second: str) -> None:
    assert taken(seen(first, second), policy(first, second))[0] == first


@pytest.mark.parametrize("rule", MATCHING)
def test_every_rule_before_it_says_why_it_was_not(rule: str) -> None:
    before = list(MATCHING)[: list(MATCHING).index(rule)]
    rejected = select(seen(rule), policy(rule)).rejected
    assert [each.rule for each in rejected] == before
    assert all(each.reason for each in rejected)


def test_an_obstacle_is_named_before_any_change() -> None:
    found = select(seen(obstacles=("nothing is seen of payments: the source is away",)), POLICY)
    assert (found.strategy, found.because) == (
        HOLD,
        "rule 1 no way back: nothing is seen of payments: the source is away",
    )


def test_an_emergency_that_nobody_allows_holds() -> None:
    found = select(seen(failing=1.0), POLICY)
    assert found.strategy == HOLD
    assert "a total outage: all of 1000 requests failed" in found.because
    assert "no policy or person allows it" in found.because


def test_all_of_a_few_requests_are_no_total_outage() -> None:
    assert taken(seen(failing=1.0, requests=POLICY.min_requests - 1))[0] != "4 too costly to wait"


@pytest.mark.parametrize(
    ("loss", "durations", "costly"),
    [
        (Loss(minutes=1, per_minute=100, most=1000, source="catalog"), {}, False),  # 100 + 100 x 10
        (Loss(minutes=1, per_minute=500, most=1000, source="catalog"), {}, True),  # 500 + 500 x 10
        (Loss(minutes=1, per_minute=500, most=1000, source="catalog"), {"immediate": 60}, False),  # 500 + 500
        (Loss(minutes=10, per_minute=500, most=1000, source="catalog"), {"immediate": 60}, True),  # 5000 + 500
        (Loss(minutes=1, per_minute=None, most=1000, source="tier-default"), {}, True),
        (Loss(minutes=0, per_minute=None, most=1000, source="tier-default"), {}, True),
    ],
)
def test_loss_so_far_and_until_the_next_safest_has_ended_is_held_against_the_budget(
    loss: Loss, durations: dict[str, float], costly: bool
) -> None:
    now = seen(loss=loss, durations=durations, emergency_allowed="the policy")
    assert (taken(now)[0] == "4 too costly to wait") is costly


def test_unknown_revenue_never_counts_as_zero() -> None:
    """What was not measured is all that could be lost, and is said to be that."""
    now = seen(loss=Loss(minutes=3, per_minute=None, most=1000, source="tier-default"), emergency_allowed="the policy")
    found = select(now, POLICY)
    assert found.strategy == "emergency"
    assert "$1,000.00 a minute (the whole revenue, for nothing was measured, tier-default)" in found.because


def test_without_a_budget_only_a_total_outage_is_an_emergency() -> None:
    ruinous = seen(loss=Loss(minutes=600, per_minute=1e6, most=1e6, source="catalog"), emergency_allowed="the policy")
    assert taken(ruinous, RollbackPolicy())[0] != "4 too costly to wait"


def test_a_target_that_has_traffic_already_is_no_idle_colour() -> None:
    assert taken(seen("6 warm colour", target_share=10))[0] != "6 warm colour"


def test_requests_that_are_only_too_slow_decide_for_a_canary_too() -> None:
    assert taken(seen("8 unsure", failing=0.0))[0] == "8 unsure"


@pytest.mark.parametrize("unknown", [{"rate": None}, {"bad": None}])
def test_traffic_that_was_not_measured_decides_for_no_canary(unknown: dict[str, object]) -> None:
    assert taken(seen("8 unsure", **unknown))[0] == "9 otherwise"


@pytest.mark.parametrize(("room", "strategy"), [(8, "immediate"), (7, "gradual"), (6, "gradual"), (5, HOLD)])
def test_what_there_is_no_room_for_goes_share_by_share_or_is_refused(room: int, strategy: str) -> None:
    assert taken(seen(room=room)) == ("9 otherwise", strategy)


@pytest.mark.parametrize(("room", "strategy"), [(8, "emergency"), (7, "emergency"), (6, "emergency"), (5, HOLD)])
def test_an_emergency_stays_one_also_where_it_must_go_share_by_share(room: int, strategy: str) -> None:
    found = select(seen("4 too costly to wait", room=room), POLICY)
    assert found.strategy == strategy
    assert ("share by share it is 6 at most" in found.because) is (room < 8)


def test_the_next_safest_is_what_would_be_taken_with_the_room_that_there_is() -> None:
    """What goes at once takes a minute, share by share twenty: 240 + 240 x 1, and 240 + 240 x 20."""
    loss = Loss(minutes=1, per_minute=240, most=1000, source="catalog")
    short = seen(loss=loss, durations={"immediate": 60, "gradual": 1200}, emergency_allowed="the policy")
    assert taken(short)[0] == "9 otherwise"
    assert taken(short.model_copy(update={"room": 7}))[0] == "4 too costly to wait"


def test_the_strategies_that_a_policy_may_name_are_all_but_the_emergency() -> None:
    assert set(get_args(StrategyName)) == STRATEGIES.keys() - {emergency.NAME}


def test_what_is_urgent_and_has_no_room_is_not_switched_at_once() -> None:
    assert taken(seen("7 sure and urgent", room=7)) == ("9 otherwise", "gradual")


def test_an_unknown_burn_rate_is_not_urgent() -> None:
    assert taken(seen("7 sure and urgent", burn_rate=None))[0] == "9 otherwise"
