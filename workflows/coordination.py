"""The order in which a plan's ready steps run: a pure function of the graph and of what has happened so far."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from models.incident import Coordination
    from models.plan import PlanStep


def startable(
    steps: Sequence[PlanStep],
    done: Collection[str],
    running: Collection[str],
    coordination: Coordination,
    troubled: bool,
) -> tuple[PlanStep, ...]:
    """The steps to start now.

    sequential: one at a time, in the plan's order · parallel: everything that is ready · priority: one at a time,
    the highest priority first · adaptive: parallel until a step has met trouble, by priority from then on.
    """
    ready = [s for s in steps if s.id not in done and s.id not in running and set(s.depends_on) <= set(done)]
    if coordination is Coordination.ADAPTIVE:
        coordination = Coordination.PRIORITY if troubled else Coordination.PARALLEL
    if coordination is Coordination.PARALLEL:
        return tuple(ready)
    if running or not ready:
        return ()
    if coordination is Coordination.PRIORITY:
        return (max(ready, key=lambda step: step.priority),)
    return (ready[0],)
