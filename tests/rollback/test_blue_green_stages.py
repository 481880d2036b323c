"""Blue-green: warm the idle colour, prove it on copies, switch in one change, and keep the old colour."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st
from service_states import RELEASES, capacity, state, states

from activities.rollback.strategies.blue_green import stages
from models.catalog import RollbackPolicy
from models.service_state import ServiceState
from models.stage import Drain, Drained, Mirror, Operation, Ready, Route, Routed, Scale, Soak, Stage

POLICY = RollbackPolicy(ready_timeout=20, drain_timeout=10, soak=5, soak_extension=7, min_requests=30)
SOAK = Soak(release="v1", seconds=5, extension=7, min_requests=30)
SMOKE = SOAK.model_copy(update={"min_requests": 0})
PAIRS = st.lists(st.sampled_from(RELEASES), min_size=2, max_size=2, unique=True)


def test_the_stages_are_those_of_the_design() -> None:
    now = state({"v1": 0, "v2": 100}, {"v1": 1, "v2": 3})
    planned = stages(now, "v1", "v2", POLICY)
    assert [(s.name, [(step.operation, step.check) for step in s.steps], s.gate) for s in planned] == [
        (
            "warm",
            [
                (Scale(release="v1", replicas=3), Ready(release="v1", replicas=3, timeout=20)),
                (Mirror(release="v1", percent=100), None),
            ],
            None,
        ),
        ("smoke", [], SMOKE),
        ("stop-copies", [(Mirror(release="v1", percent=0), None)], None),
        (
            "switch",
            [(Route(weights={"v1": 100, "v2": 0}), Routed(weights={"v1": 100, "v2": 0}, timeout=20))],
            None,
        ),
        ("drain", [(Drain(release="v2"), Drained(release="v2", timeout=10))], None),
        ("soak", [], SOAK),
    ]


def test_traffic_moves_with_the_switch_alone_and_nothing_is_past_return() -> None:
    planned = stages(state({"v2": 100}), "v1", "v2", POLICY)
    assert [stage.name for stage in planned if stage.moves_traffic] == ["switch"]
    assert not any(stage.point_of_no_return for stage in planned)


@given(states(), PAIRS)
def test_no_release_loses_a_replica_and_the_target_can_carry_everybody(now: ServiceState, pair: list[str]) -> None:
    target, bad = pair
    scales = [o for o in operations(stages(now, target, bad, POLICY)) if isinstance(o, Scale)]
    assert [scale.release for scale in scales] == [target]
    assert scales[0].replicas >= max(capacity(now), now.replicas.get(target, 0), 1)


@given(states(), PAIRS)
def test_the_target_never_gets_more_requests_than_it_is_scaled_for(now: ServiceState, pair: list[str]) -> None:
    target, bad = pair
    share, copied = now.weights.get(target, 0), 0
    for operation in operations(stages(now, target, bad, POLICY)):
        if isinstance(operation, Mirror):
            assert operation.release == target
            copied = operation.percent
        elif isinstance(operation, Route):
            share = operation.weights[target]
        assert share + copied <= 100
    assert (share, copied) == (100, 0)


@given(states(), PAIRS)
def test_nobody_is_moved_before_the_target_is_ready_and_was_proven_on_copies(
    now: ServiceState, pair: list[str]
) -> None:
    target, bad = pair
    planned = stages(now, target, bad, POLICY)
    (switch,) = (number for number, stage in enumerate(planned) if stage.moves_traffic)
    before = planned[:switch]
    assert [step.check.kind for stage in before for step in stage.steps if step.check] == ["ready"]
    assert [stage.gate.release for stage in before if isinstance(stage.gate, Soak)] == [target]


@given(states(), PAIRS)
def test_everybody_moves_in_one_change_that_names_every_release(now: ServiceState, pair: list[str]) -> None:
    target, bad = pair
    (route,) = (o for o in operations(stages(now, target, bad, POLICY)) if isinstance(o, Route))
    assert route.weights == dict.fromkeys({*now.weights, bad}, 0) | {target: 100}


@given(states(), PAIRS)
def test_step_ids_and_stage_names_do_not_depend_on_the_state(now: ServiceState, pair: list[str]) -> None:
    target, bad = pair
    planned = stages(now, target, bad, POLICY)
    ids = [step.id for stage in planned for step in stage.steps]
    assert ids == ["scale-target", "mirror", "stop-copies", "switch", "drain"]
    assert len({stage.name for stage in planned}) == len(planned)


@given(states(), PAIRS)
def test_planned_again_after_the_switch_nothing_is_copied_and_nothing_is_made_smaller(
    now: ServiceState, pair: list[str]
) -> None:
    target, bad = pair
    assume(now.weights)
    full = next(o.replicas for o in operations(stages(now, target, bad, POLICY)) if isinstance(o, Scale))
    halfway = state(dict.fromkeys(now.weights, 0) | {target: 100}, dict(now.replicas) | {target: full})
    again = operations(stages(halfway, target, bad, POLICY))
    assert [o.replicas for o in again if isinstance(o, Scale)] == [full]
    assert [o.percent for o in again if isinstance(o, Mirror)] == [0, 0]


def operations(planned: tuple[Stage, ...]) -> list[Operation]:
    return [step.operation for stage in planned for step in stage.steps]
