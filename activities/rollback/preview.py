"""A plan in sentences, for a person to read before it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from models.plan import Expectation, PlanStep, RollbackPlan, ServiceRollback
from models.stage import Check, Compare, Drained, Gate, Ready, Routed, Soak, Stage
from models.verdict import Need


def preview(rollback: RollbackPlan, steps: Sequence[PlanStep]) -> tuple[str, ...]:
    """What goes where and why, each stage with what it must pass, and what follows."""
    return (
        *(f"{_strategy(rollback, one)} rollback of {_way(one)}" for one in rollback.services),
        f"because {rollback.selected_because}",
        f"expected: {_expected(rollback.expected)}",
        *_waves(rollback),
        *(f"then {step.title}" for step in steps[1:]),
    )


def _expected(expected: Expectation) -> str:
    known = (
        "19 of 20 earlier ones were as fast"
        if expected.from_history
        else "the limits of its checks and gates; no earlier one is known"
    )
    requests = "an unknown number of" if expected.failed_requests is None else f"about {expected.failed_requests:,.0f}"
    loss = f"${expected.loss:,.2f}" if expected.loss_known else f"up to ${expected.loss:,.2f}"
    return (
        f"traffic has left the bad release within {expected.seconds:.0f} s ({known}); in that "
        f"time {requests} requests fail, which costs {loss}"
    )


def _strategy(rollback: RollbackPlan, one: ServiceRollback) -> str:
    return one.strategy if one.strategy == rollback.strategy else f"{rollback.strategy}, {one.strategy}"


def _way(one: ServiceRollback) -> str:
    return f"{one.state.service} in {one.state.region} from {one.bad} to {one.target}"


def _waves(rollback: RollbackPlan) -> Iterator[str]:
    alone = len(rollback.services) == 1
    for number, wave in enumerate(rollback.waves, start=1):
        for lane in wave.lanes:
            where = "" if alone else f"wave {number}, {lane.service}: "
            for stage in lane.stages:
                yield from (f"{where}{line}" for line in _stage(stage))


def _stage(stage: Stage) -> Iterator[str]:
    changes = "; ".join(step.title for step in stage.steps) or stage.title
    guard = "  [point of no return: the gate before it must have passed]" if stage.point_of_no_return else ""
    yield f"stage {stage.name}: {changes}{guard}"
    if stage.approval:
        yield "  waits for a person's approval before it begins"
    for step in stage.steps:
        if step.check:
            yield f"  must pass: {passes_when(step.check)}"
    if stage.gate:
        yield f"  gate: {passes_when(stage.gate)}"


def passes_when(asked: Check | Gate) -> str:
    """What must be seen, in what time."""
    match asked:
        case Ready():
            replicas = f"1 replica of {asked.release} is"
            if asked.replicas != 1:
                replicas = f"{asked.replicas} replicas of {asked.release} are"
            return f"{replicas} ready within {asked.timeout:g} s"
        case Routed():
            return f"every proxy routes {in_shares(asked.weights)} within {asked.timeout:g} s"
        case Drained():
            return f"{asked.release} has no request in flight within {asked.timeout:g} s"
        case Soak():
            return f"{asked.release} meets its objectives {_watched(asked)}"
        case Compare(need=Need.BETTER):
            return f"{asked.release} is significantly better than what serves beside it, {_watched(asked)}"
        case Compare():
            return (
                f"{asked.release} meets its objectives and is not worse than what serves beside it, {_watched(asked)}"
            )


def in_shares(weights: Mapping[str, int]) -> str:
    """Releases with their percentages of the requests."""
    return ", ".join(f"{release} {percent}%" for release, percent in weights.items()) or "nothing"


def _watched(gate: Soak | Compare) -> str:
    requests = f"at least {gate.min_requests} requests" if gate.min_requests else "all requests that there are"
    return f"on {requests} for {gate.seconds:g} s, {gate.extension:g} s more on doubt"
