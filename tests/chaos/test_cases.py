"""The matrix is generated from the code: every activity is in it, or has its reason, and any sample covers it."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.chaos.case import ABORTED, BY_STRATEGY, LEFT_ALONE, contracts, generate, in_order, relevant
from tests.chaos.fault import AT_BOUNDARIES, FAULTS, at_a_boundary
from tests.chaos.point import Counting, Point
from tests.chaos.report import Report
from tests.chaos.run import Result
from tests.chaos.world import PARTS

TRACE = [
    Point("gateway", "store commit begins", 1),
    Point("pool", "rollback.plan.v1 begins", 1),
    Point("pool", "rollback.plan.v1 begins", 2),
    Point("wire", "mesh is asked to change payments.switch:do:1", 1),
    Point("mesh", "receipt is durable payments.switch:do:1", 1),
    Point("wire", "mesh was asked to change payments.switch:do:1", 1),
    Point("wire", "agent is asked to change payments.retire:do:1", 1),
    Point("pool", "analytics.soak.v1 begins v1", 1),
    Point("wire", "mesh is asked to undo payments.switch:do:1", 1),
]


def test_points_are_counted_without_the_incident_and_without_what_the_run_does_itself() -> None:
    counting = Counting()
    said = "receipt is durable 01J9Z3ABCDEFGHJKMNPQRSTVWX:payments.switch:do:1"
    other = said.replace("01J9Z3ABC", "01J9Z3XYZ")
    assert counting.point("mesh", said) == Point("mesh", "receipt is durable payments.switch:do:1", 1)
    assert counting.point("mesh", other) == Point("mesh", "receipt is durable payments.switch:do:1", 2)
    assert counting.point("agent", said) == Point("agent", "receipt is durable payments.switch:do:1", 1)
    assert counting.point("mesh", "receipt is durable somebody-else:01J9Z3ABCDEFGHJKMNPQRSTVWX:do:1") is None


def test_a_point_knows_its_step() -> None:
    assert [point.step for point in TRACE if point.step] == ["switch"] * 3 + ["retire", "switch"]


def test_a_place_counts_once_and_what_comes_before_the_abort_belongs_to_the_other_scenario() -> None:
    assert len(relevant(LEFT_ALONE, TRACE)) == len(TRACE) - 1
    assert relevant(ABORTED, TRACE) == TRACE[-1:]


def test_every_kill_is_at_every_point_and_a_mishap_where_there_is_a_call() -> None:
    cases = list(generate(LEFT_ALONE, TRACE))
    arriving = {point for point in TRACE if " is asked to " in point.name}
    changes = {point for point in arriving if " change " in point.name}
    for fault in FAULTS:
        at = {case.point for case in cases if case.fault is fault}
        assert at, f"{fault.name} is nowhere"
        if fault.name.removeprefix("kill -9 ") in PARTS:
            assert at == set(relevant(LEFT_ALONE, TRACE)) - arriving
        if fault.name == "call refused":
            assert at == changes
        if fault.name == "call sent twice":
            assert at == arriving


def test_of_another_strategy_the_boundaries_of_its_stages_are_points_before_and_after_each_change() -> None:
    scenario = BY_STRATEGY[0]
    cases = list(generate(scenario, TRACE))
    boundaries = {point for point in TRACE if point.part == "wire" and " change " in point.name}
    assert {case.point for case in cases} == boundaries
    for fault in AT_BOUNDARIES:
        at = {case.point for case in cases if case.fault is fault}
        breaks_the_call = fault.name.startswith("call ")
        assert at == {point for point in boundaries if not breaks_the_call or " is asked to " in point.name}


def test_a_gate_beside_those_that_serve_is_a_boundary_and_a_soak_is_not() -> None:
    assert at_a_boundary(Point("pool", "analytics.compare.v1 begins v1", 1))
    assert not at_a_boundary(Point("pool", "analytics.soak.v1 begins v1", 1))


def test_no_strategy_comes_first_in_a_sample() -> None:
    """Every scenario has had each of its faults before any has more."""
    cases = [case for scenario in (LEFT_ALONE, *BY_STRATEGY) for case in generate(scenario, TRACE)]
    faults = {(case.scenario.name, case.fault.name) for case in cases}
    begun = in_order(cases, seed=1)[: len(faults)]
    assert {(case.scenario.name, case.fault.name) for case in begun} == faults


def test_a_sample_begins_with_every_fault_then_has_every_point_and_no_case_is_lost() -> None:
    cases = list(generate(LEFT_ALONE, TRACE))
    for seed in range(5):
        ordered = in_order(cases, seed)
        assert len(ordered) == len(cases) == len(set(ordered))
        assert {case.fault.name for case in ordered[: len(FAULTS)]} == {fault.name for fault in FAULTS}
        covering = ordered[: len(FAULTS) + len(relevant(LEFT_ALONE, TRACE))]
        assert {case.point for case in covering} == set(relevant(LEFT_ALONE, TRACE))
    assert in_order(cases, 1) != in_order(cases, 2)
    assert in_order(cases, 1) == in_order(cases, 1)


def test_all_activities_are_known_to_the_matrix() -> None:
    names = set(contracts())
    assert {"mesh.change.v1", "platform.undo.v1", "breaker.protect.v1", "rollback.lock.v1"} <= names
    assert len(names) == len(list(contracts()))


def test_a_run_says_which_faults_and_points_it_has_not_tried() -> None:
    cases = in_order(generate(LEFT_ALONE, TRACE), seed=1)
    came = Result("recovered", (), (), 1.0)

    def report(number: int) -> Report:
        done = tuple((case, came) for case in cases[:number])
        return Report(datetime.now(UTC), 1.0, 1, "", "", done, tuple(cases[number:]), ())

    covering = next(number for number in range(len(cases)) if not report(number).untried())
    assert covering <= len(FAULTS) + len(relevant(LEFT_ALONE, TRACE))
    missed = report(covering - 1)
    assert missed.untried()
    assert f"{len(missed.untried())} faults or points untried" in missed.summary
    assert any("the whole of" in line for line in missed.lines_of_left_out())
