"""Which stages wait for a person, by the policy: those that it names, and no other."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_states import state, states
from situations import plan_for

from activities.rollback.approval import with_approvals
from activities.rollback.strategies import immediate
from models.catalog import RollbackPolicy
from models.service_state import ServiceState
from models.stage import Route, Stage, StageStep

Place = Literal["traffic", "point-of-no-return"]
PLACES: tuple[Place, ...] = ("traffic", "point-of-no-return")
BAD = state({"v1": 0, "v2": 100}, {"v2": 3}, ["v2", "v1"])


def moving(name: str, *, point_of_no_return: bool = False) -> Stage:
    step = StageStep(id=name, title=name, operation=Route(weights={"v1": 50, "v2": 50}))
    return Stage(name=name, title=name, steps=(step,), point_of_no_return=point_of_no_return)


def waiting(stages: tuple[Stage, ...], *places: Place) -> list[str]:
    marked = with_approvals(stages, RollbackPolicy(approve_before=places))
    return [stage.name for stage in marked if stage.approval]


@pytest.mark.parametrize(
    ("places", "names"),
    [
        ((), []),
        (("traffic",), ["switch"]),
        (("point-of-no-return",), ["retire"]),
        (PLACES, ["switch", "retire"]),
    ],
)
def test_an_immediate_rollback_waits_where_the_policy_says(places: tuple[Place, ...], names: list[str]) -> None:
    assert waiting(immediate.stages(BAD, "v1", "v2", RollbackPolicy()), *places) == names


def test_only_the_first_stage_that_moves_traffic_waits_for_it() -> None:
    assert waiting((moving("10"), moving("50"), moving("100")), "traffic") == ["10"]


def test_a_stage_that_is_both_waits_once() -> None:
    assert waiting((moving("only", point_of_no_return=True),), *PLACES) == ["only"]


def test_where_nothing_moves_nothing_waits() -> None:
    assert waiting((Stage(name="soak", title="watch"),), *PLACES) == []


@given(states(), st.lists(st.sampled_from(PLACES)))
def test_a_marked_stage_differs_in_nothing_else(now: ServiceState, places: list[Place]) -> None:
    stages = immediate.stages(now, "v1", "v2", RollbackPolicy())
    marked = with_approvals(stages, RollbackPolicy(approve_before=tuple(places)))
    assert tuple(stage.model_copy(update={"approval": False}) for stage in marked) == stages


def test_the_preview_says_where_it_waits_and_the_hash_covers_it() -> None:
    asked, unasked = (
        plan_for(BAD, rollback=RollbackPolicy(approve_before=places)) for places in (PLACES[1:], PLACES[:0])
    )
    waits = asked.preview.index("  waits for a person's approval before it begins")
    assert asked.preview[waits - 1].startswith("stage retire: ")
    assert not [line for line in unasked.preview if "approval" in line]
    assert asked.hash != unasked.hash
