"""Emergency: the whole way back at once between a freeze and a thaw; where there is no room, by shares that nobody
compares."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from service_states import RELEASES, capacity, state, states

from activities.rollback.strategies import gradual, immediate
from activities.rollback.strategies.emergency import stages
from activities.rollback.strategies.stages import at_once
from models.catalog import RollbackPolicy
from models.service_state import ServiceState
from models.stage import Compare, Freeze, Route, Scale, Soak

POLICY = RollbackPolicy(soak=5, soak_extension=7, min_requests=30)
PAIRS = st.lists(st.sampled_from(RELEASES), min_size=2, max_size=2, unique=True)


@given(states(), PAIRS)
def test_where_there_is_room_it_is_immediate_while_nobody_can_deploy(now: ServiceState, pair: list[str]) -> None:
    target, bad = pair
    first, *back, last = stages(now, target, bad, POLICY)
    assert [step.operation for stage in (first, last) for step in stage.steps] == [
        Freeze(frozen=True),
        Freeze(frozen=False),
    ]
    assert tuple(back) == immediate.stages(now, target, bad, POLICY)


def test_where_there_is_no_room_the_bad_release_makes_it_share_by_share_and_no_gate_takes_its_time() -> None:
    now = state({"v1": 0, "v2": 100}, {"v2": 10}).model_copy(update={"room": 15})
    planned = stages(now, "v1", "v2", POLICY)
    assert [stage.name for stage in planned] == [
        "freeze",
        "share-10",
        "share-25",
        "share-50",
        "share-100",
        "soak",
        "drain",
        "retire",
        "thaw",
    ]
    assert [type(stage.gate) for stage in planned if stage.gate] == [Soak]


@given(states(), PAIRS)
def test_without_room_for_both_no_more_is_asked_for_than_there_is_and_capacity_still_leads_weight(
    now: ServiceState, pair: list[str]
) -> None:
    target, bad = pair
    most, both = gradual.most_replicas(now, target, bad, POLICY), at_once(now, target, POLICY)
    room = max(most, sum(now.replicas.values()))
    replicas = dict(now.replicas)
    for stage in stages(now.model_copy(update={"room": room}), target, bad, POLICY) if room < both else ():
        assert not isinstance(stage.gate, Compare)
        for step in stage.steps:
            if isinstance(step.operation, Scale):
                replicas[step.operation.release] = step.operation.replicas
            if isinstance(step.operation, Route):
                assert replicas[target] * 100 >= capacity(now) * step.operation.weights[target]
            assert sum(replicas.values()) <= room
