"""Immediate: scale target to full, ready, weights 100, drain, soak, scale bad down - and never less capacity."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import assume, given
from hypothesis import strategies as st
from service_states import RELEASES, capacity, state, states

from activities.rollback.strategies.immediate import stages
from models.catalog import RollbackPolicy
from models.service_state import ServiceState
from models.stage import Drain, Drained, Ready, Route, Routed, Scale, Soak, Stage

POLICY = RollbackPolicy(ready_timeout=20, drain_timeout=10, soak=5, soak_extension=7, min_requests=30)


def test_the_stages_are_those_of_the_design() -> None:
    now = state({"v1": 0, "v2": 100}, {"v1": 1, "v2": 3})
    assert [(stage.name, *_steps(stage), stage.gate) for stage in of(now, "v1", "v2")] == [
        ("scale-target", Scale(release="v1", replicas=3), Ready(release="v1", replicas=3, timeout=20), None),
        ("switch", Route(weights={"v1": 100, "v2": 0}), Routed(weights={"v1": 100, "v2": 0}, timeout=20), None),
        ("drain", Drain(release="v2"), Drained(release="v2", timeout=10), None),
        ("soak", Soak(release="v1", seconds=5, extension=7, min_requests=30)),
        ("retire", Scale(release="v2", replicas=0), Ready(release="v2", replicas=0, timeout=20), None),
    ]


def _steps(stage: Stage) -> Iterator[object]:
    for step in stage.steps:
        yield from (step.operation, step.check)


def test_traffic_moves_with_the_switch_and_the_point_of_no_return_is_the_retirement() -> None:
    planned = of(state({"v2": 100}), "v1", "v2")
    assert [stage.name for stage in planned if stage.moves_traffic] == ["switch"]
    assert [stage.name for stage in planned if stage.point_of_no_return] == ["retire"]


def test_releases_that_serve_together_are_replaced_together() -> None:
    scale = of(state({"v1": 50, "v2": 50}, {"v1": 2, "v2": 2}), "v1", "v2")[0]
    assert scale.steps[0].operation == Scale(release="v1", replicas=4)


def test_headroom_is_added_to_what_others_serve_with() -> None:
    roomy = POLICY.model_copy(update={"headroom": 1.5})
    assert scales(stages(state({"v2": 100}, {"v2": 3}), "v1", "v2", roomy), "v1")[0].replicas == 5
    assert scales(stages(state({"v1": 100, "v2": 0}, {"v1": 5}), "v1", "v2", roomy), "v1")[0].replicas == 5


def test_replicas_that_nobody_is_sent_to_are_no_capacity() -> None:
    scale = of(state({"v0": 0, "v1": 0, "v2": 100}, {"v0": 5, "v2": 2}), "v1", "v2")[0]
    assert scale.steps[0].operation == Scale(release="v1", replicas=2)


PAIRS = st.lists(st.sampled_from(RELEASES), min_size=2, max_size=2, unique=True)


@given(states(), PAIRS)
def test_the_target_has_what_served_before_and_is_never_scaled_down(now: ServiceState, pair: list[str]) -> None:
    target, bad = pair
    full = scales(of(now, target, bad), target)
    assert len(full) == 1
    assert full[0].replicas >= max(capacity(now), now.replicas.get(target, 0), 1)


@given(states(), PAIRS)
def test_traffic_moves_only_once_full_capacity_is_ready(now: ServiceState, pair: list[str]) -> None:
    target, bad = pair
    planned = of(now, target, bad)
    full = scales(planned, target)[0].replicas
    for number, stage in enumerate(planned):
        if stage.moves_traffic:
            checks = [step.check for earlier in planned[:number] for step in earlier.steps]
            assert Ready(release=target, replicas=full, timeout=POLICY.ready_timeout) in checks


@given(states(), PAIRS)
def test_all_requests_go_to_the_target_and_every_other_release_is_named(now: ServiceState, pair: list[str]) -> None:
    target, bad = pair
    routes = [s.operation for stage in of(now, target, bad) for s in stage.steps if isinstance(s.operation, Route)]
    (route,) = routes
    assert route.weights == dict.fromkeys({*now.weights, bad}, 0) | {target: 100}


@given(states(), PAIRS)
def test_nothing_is_taken_away_but_behind_a_soak_and_a_drain(now: ServiceState, pair: list[str]) -> None:
    target, bad = pair
    planned = of(now, target, bad)
    for number, stage in enumerate(planned):
        if stage.point_of_no_return:
            gate = planned[number - 1].gate
            assert isinstance(gate, Soak)
            assert gate.release == target
        if any(scale.replicas < now.replicas.get(scale.release, 0) for scale in scales([stage], bad)):
            assert stage.point_of_no_return
            checks = [step.check for earlier in planned[:number] for step in earlier.steps]
            assert any(isinstance(check, Drained) and check.release == bad for check in checks)


@given(states(), PAIRS)
def test_step_ids_and_stage_names_are_unique_and_do_not_depend_on_the_state(now: ServiceState, pair: list[str]) -> None:
    target, bad = pair
    planned = of(now, target, bad)
    ids = [step.id for stage in planned for step in stage.steps]
    assert ids == ["scale-target", "switch", "drain", "retire"]
    assert len({stage.name for stage in planned}) == len(planned)


@given(states(), PAIRS)
def test_a_service_that_already_is_where_the_rollback_leads_keeps_its_capacity(
    now: ServiceState, pair: list[str]
) -> None:
    """Planning again half-way, after the switch: the target serves alone and is not made smaller or larger."""
    target, bad = pair
    full = scales(of(now, target, bad), target)[0].replicas
    assume(now.weights)
    halfway = state(dict.fromkeys(now.weights, 0) | {target: 100}, dict(now.replicas) | {target: full})
    assert scales(of(halfway, target, bad), target)[0].replicas == full


def of(now: ServiceState, target: str, bad: str) -> tuple[Stage, ...]:
    return stages(now, target, bad, POLICY)


def scales(planned: tuple[Stage, ...] | list[Stage], release: str) -> list[Scale]:
    operations = [step.operation for stage in planned for step in stage.steps]
    return [each for each in operations if isinstance(each, Scale) and each.release == release]
