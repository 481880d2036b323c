"""Gradual: 10, 25, 50, 100 percent, each carried before it is sent and held against those that serve beside it."""

from __future__ import annotations

from itertools import pairwise
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_states import RELEASES, capacity, state, states

from activities.rollback.strategies import canary_reverse, gradual
from activities.rollback.strategies.gradual import stages
from models.catalog import RollbackPolicy
from models.service_state import ServiceState
from models.stage import Compare, Drain, Drained, Operation, Ready, Route, Routed, Scale, Soak, Stage
from models.verdict import Need

POLICY = RollbackPolicy(ready_timeout=20, drain_timeout=10, soak=5, soak_extension=7, min_requests=30)
NO_HARM = Compare(release="v1", need=Need.NO_HARM, seconds=5, extension=7, min_requests=30)
PAIRS = st.lists(st.sampled_from(RELEASES), min_size=2, max_size=2, unique=True)


def test_the_stages_are_those_of_the_design() -> None:
    now = state({"v1": 0, "v2": 100}, {"v1": 0, "v2": 6})
    assert [(s.name, [step.operation for step in s.steps], s.gate) for s in stages(now, "v1", "v2", POLICY)] == [
        ("share-10", [Scale(release="v1", replicas=1), Route(weights={"v1": 10, "v2": 90})], NO_HARM),
        ("share-25", [Scale(release="v1", replicas=2), Route(weights={"v1": 25, "v2": 75})], NO_HARM),
        ("share-50", [Scale(release="v1", replicas=3), Route(weights={"v1": 50, "v2": 50})], NO_HARM),
        ("share-100", [Scale(release="v1", replicas=6), Route(weights={"v1": 100, "v2": 0})], None),
        ("soak", [], Soak(release="v1", seconds=5, extension=7, min_requests=30)),
        ("drain", [Drain(release="v2")], None),
        ("retire", [Scale(release="v2", replicas=0)], None),
    ]


def test_each_step_is_checked_before_the_next() -> None:
    now = state({"v1": 50, "v2": 50}, {"v1": 1, "v2": 1})
    assert [step.check for stage in stages(now, "v1", "v2", POLICY) for step in stage.steps] == [
        Ready(release="v1", replicas=2, timeout=20),
        Routed(weights={"v1": 100, "v2": 0}, timeout=20),
        Drained(release="v2", timeout=10),
        Ready(release="v2", replicas=0, timeout=20),
    ]


@pytest.mark.parametrize(
    ("share", "left"),
    [
        (0, [10, 25, 50, 100]),
        (9, [10, 25, 50, 100]),
        (10, [25, 50, 100]),
        (30, [50, 100]),
        (50, [100]),
        (99, [100]),
        (100, [100]),
    ],
)
def test_shares_that_the_target_has_already_are_passed_over(share: int, left: list[int]) -> None:
    planned = stages(state({"v1": share, "v2": 100 - share}), "v1", "v2", POLICY)
    assert [route.weights["v1"] for route in operations(planned) if isinstance(route, Route)] == left


def test_a_third_release_keeps_its_requests_until_the_bad_one_has_none_left_to_give() -> None:
    planned = stages(state({"v1": 0, "v2": 20, "v3": 80}), "v1", "v2", POLICY)
    assert [o.weights for o in operations(planned) if isinstance(o, Route)] == [
        {"v1": 10, "v2": 10, "v3": 80},
        {"v1": 25, "v2": 0, "v3": 75},
        {"v1": 50, "v2": 0, "v3": 50},
        {"v1": 100, "v2": 0, "v3": 0},
    ]


@pytest.mark.parametrize("strategy", [gradual, canary_reverse])
@given(states(), PAIRS)
def test_a_step_that_scales_says_what_the_steps_before_it_have_left(
    strategy: ModuleType, now: ServiceState, pair: list[str]
) -> None:
    replicas = dict(now.replicas)
    for stage in strategy.stages(now, *pair, POLICY):
        for step in stage.steps:
            if isinstance(step.operation, Scale):
                release, wanted = step.operation.release, step.operation.replicas
                had = replicas.get(release, 0)
                changes = f"scale {release} from {had} to {wanted}"
                assert step.title == (changes if wanted != had else f"keep {release} at {wanted}")
                replicas[release] = wanted


@given(states(), PAIRS)
def test_capacity_leads_weight_and_the_target_is_never_made_smaller(now: ServiceState, pair: list[str]) -> None:
    target, bad = pair
    replicas = now.replicas.get(target, 0)
    for operation in operations(stages(now, target, bad, POLICY)):
        if isinstance(operation, Scale) and operation.release == target:
            assert operation.replicas >= replicas
            replicas = operation.replicas
        if isinstance(operation, Route):
            assert replicas * 100 >= capacity(now) * operation.weights[target]
            assert replicas > 0


@given(states(), PAIRS)
def test_each_share_sends_more_to_the_target_and_no_more_to_any_other(now: ServiceState, pair: list[str]) -> None:
    target, bad = pair
    planned = stages(now, target, bad, POLICY)
    routes = [operation.weights for operation in operations(planned) if isinstance(operation, Route)]
    for weights in routes:
        assert sum(weights.values()) == 100
        assert weights.keys() == {*now.weights, target, bad}
        assert min(weights.values()) >= 0
    shares = ([now.weights] if any(now.weights.values()) else []) + routes
    for earlier, later in pairwise(shares):
        assert later[target] >= earlier.get(target, 0)
        assert all(later[other] <= earlier.get(other, 0) for other in later if other != target)
    assert routes[-1] == dict.fromkeys({*now.weights, bad}, 0) | {target: 100}


@given(states(), PAIRS)
def test_each_share_is_judged_before_the_next_and_the_bad_release_goes_only_after_soak_and_drain(
    now: ServiceState, pair: list[str]
) -> None:
    target, bad = pair
    planned = stages(now, target, bad, POLICY)
    shares = [stage for stage in planned if stage.moves_traffic]
    assert all(isinstance(stage.gate, Compare) and stage.gate.release == target for stage in shares[:-1])
    *_, whole, soak, drain, retire = planned
    assert whole is shares[-1]
    assert isinstance(soak.gate, Soak)
    assert operations((drain,)) == [Drain(release=bad)]
    assert operations((retire,)) == [Scale(release=bad, replicas=0)]
    assert [stage.point_of_no_return for stage in planned] == [False] * (len(planned) - 1) + [True]


@given(states(), PAIRS)
def test_where_there_is_little_room_the_bad_release_keeps_a_replica_until_it_is_drained(
    now: ServiceState, pair: list[str]
) -> None:
    target, bad = pair
    tight = now.model_copy(update={"room": gradual.most_replicas(now, target, bad, POLICY)})
    before = tuple(stage for stage in stages(tight, target, bad, POLICY) if stage.name != "retire")
    assert 0 not in [o.replicas for o in operations(before) if isinstance(o, Scale) and o.release == bad]


@given(states(), PAIRS)
def test_step_ids_and_stage_names_are_unique_and_name_the_share(now: ServiceState, pair: list[str]) -> None:
    target, bad = pair
    planned = stages(now, target, bad, POLICY)
    ids = [step.id for stage in planned for step in stage.steps]
    known = [f"share-{share}-{what}" for share in (10, 25, 50, 100) for what in ("capacity", "weight")]
    assert [id for id in known if id in ids] + ["drain", "retire"] == ids
    assert len({stage.name for stage in planned}) == len(planned)


def operations(planned: tuple[Stage, ...]) -> list[Operation]:
    return [step.operation for stage in planned for step in stage.steps]
