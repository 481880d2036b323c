"""Whatever the strategy, each step starts once and never before what it depends on; the strategies differ in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.incident import Coordination
from models.plan import LiftWork, PlanStep
from workflows.coordination import startable

SEQUENTIAL, PARALLEL = Coordination.SEQUENTIAL, Coordination.PARALLEL
PRIORITY, ADAPTIVE = Coordination.PRIORITY, Coordination.ADAPTIVE


def step(id: str, *depends_on: str, priority: int = 0) -> PlanStep:
    return PlanStep(id=id, title=id, module="breaker", priority=priority, depends_on=depends_on, work=LiftWork())


DIAMOND = (step("a"), step("b", "a", priority=1), step("c", "a", priority=5), step("d", "b", "c"), step("e"))
"""d needs b and c, both need a; e needs nothing."""


@pytest.mark.parametrize(
    ("coordination", "troubled", "done", "running", "starts"),
    [
        (SEQUENTIAL, False, "", "", "a"),
        (SEQUENTIAL, False, "", "a", ""),
        (SEQUENTIAL, False, "a", "", "b"),
        (SEQUENTIAL, False, "abc", "", "d"),
        (SEQUENTIAL, False, "abcd", "", "e"),
        (PARALLEL, False, "", "", "ae"),
        (PARALLEL, False, "", "ae", ""),
        (PARALLEL, False, "a", "e", "bc"),
        (PARALLEL, False, "ab", "c", "e"),
        (PRIORITY, False, "a", "", "c"),
        (PRIORITY, False, "ac", "", "b"),
        (PRIORITY, False, "a", "c", ""),
        (PRIORITY, False, "", "", "a"),
        (ADAPTIVE, False, "a", "", "bce"),
        (ADAPTIVE, True, "a", "", "c"),
        (ADAPTIVE, True, "a", "c", ""),
        *((each, troubled, "abcde", "", "") for each in Coordination for troubled in (False, True)),
    ],
)
def test_what_starts_now(coordination: Coordination, troubled: bool, done: str, running: str, starts: str) -> None:
    started = startable(DIAMOND, set(done), set(running), coordination, troubled)
    assert "".join(each.id for each in started) == starts


@st.composite
def graphs(draw: st.DrawFn) -> tuple[PlanStep, ...]:
    """Any plan: each step may depend on any that come before it."""
    names = [f"s{number}" for number in range(draw(st.integers(0, 8)))]
    return tuple(
        step(
            name,
            *draw(st.lists(st.sampled_from(names[:number]), unique=True) if number else st.just([])),
            priority=draw(st.integers(0, 3)),
        )
        for number, name in enumerate(names)
    )


@given(graphs(), st.sampled_from(Coordination), st.data())
def test_every_step_starts_once_behind_its_dependencies_however_long_each_takes(
    steps: tuple[PlanStep, ...], coordination: Coordination, data: st.DataObject
) -> None:
    done: set[str] = set()
    running: list[str] = []
    started: list[str] = []
    while len(done) < len(steps):
        troubled = data.draw(st.booleans(), "troubled")
        ready = {s.id for s in steps if set(s.depends_on) <= done} - done - set(running)
        new = startable(steps, done, running, coordination, troubled)
        assert {each.id for each in new} <= ready
        if coordination in (SEQUENTIAL, PRIORITY):
            assert len(running) + len(new) <= 1
        if coordination is PARALLEL:
            assert {each.id for each in new} == ready
        if coordination is PRIORITY and new:
            assert new[0].priority == max(s.priority for s in steps if s.id in ready)
        running += [each.id for each in new]
        started += [each.id for each in new]
        assert running, "nothing runs and nothing can start: the plan would hang"
        ended = data.draw(st.sampled_from(running), "ends")
        running.remove(ended)
        done.add(ended)
    assert sorted(started) == sorted(each.id for each in steps)


@given(graphs())
def test_sequential_is_the_order_of_the_plan(steps: tuple[PlanStep, ...]) -> None:
    done: list[str] = []
    while new := startable(steps, done, (), SEQUENTIAL, False):
        done += [each.id for each in new]
    assert done == [each.id for each in steps]
