"""What strategies are made of: steps with the checks that belong to them, and the stages that most of them share."""

from __future__ import annotations

import math
from collections.abc import Iterable

from models.catalog import RollbackPolicy
from models.service_state import ServiceState
from models.stage import Compare, Drain, Drained, Gate, Ready, Route, Routed, Scale, Soak, Stage, StageStep
from models.verdict import Need


def full(state: ServiceState, target: str, policy: RollbackPolicy) -> int:
    """Replicas of *target* that can carry all of the traffic: as many as serve now, with the policy's headroom.

    Never fewer than it has. Where it serves already, it has had its headroom.
    """
    serving = {release: state.replicas.get(release, 0) for release, weight in state.weights.items() if weight}
    had = serving.pop(target, 0)
    return max(had + math.ceil(sum(serving.values()) * policy.headroom), state.replicas.get(target, 0), 1)


def at_once(state: ServiceState, target: str, policy: RollbackPolicy) -> int:
    """Replicas of all releases while *target* has its full capacity beside everything that there is now."""
    return sum(state.replicas.values()) + full(state, target, policy) - state.replicas.get(target, 0)


def fits(replicas: int, room: int | None) -> bool:
    """Whether there is *room* for so many; none: not known, and taken to be enough."""
    return room is None or replicas <= room


def shares(state: ServiceState, target: str, bad: str, percent: int) -> dict[str, int]:
    """The weights that give *target* so many percent, taken from *bad* first and then from the others.

    So *bad* gets nothing more unless *target* loses something. Every release that is routed now is named, so that
    nothing of it is left by chance.
    """
    weights, rest = {target: percent}, 100 - percent
    for release in sorted(state.weights.keys() - {target, bad}):
        weights[release] = min(state.weights[release], rest)
        rest -= weights[release]
    return weights | {bad: rest}


def scale(step: str, state: ServiceState, release: str, replicas: int, policy: RollbackPolicy) -> StageStep:
    """The first one of *release*; see :func:`in_turn` for further ones."""
    return StageStep(
        id=step,
        title=_scales(release, state.replicas.get(release, 0), replicas),
        operation=Scale(release=release, replicas=replicas),
        check=Ready(release=release, replicas=replicas, timeout=policy.ready_timeout),
    )


def route(step: str, weights: dict[str, int], target: str, policy: RollbackPolicy) -> StageStep:
    return StageStep(
        id=step,
        title=f"route {weights[target]}% to {target}",
        operation=Route(weights=weights),
        check=Routed(weights=weights, timeout=policy.ready_timeout),
    )


def needed(state: ServiceState, target: str, percent: int, policy: RollbackPolicy) -> int:
    """Replicas of *target* that so many percent of the traffic need, and never fewer than it has."""
    return max(math.ceil(full(state, target, policy) * percent / 100), state.replicas.get(target, 0))


def share(
    name: str, state: ServiceState, target: str, bad: str, percent: int, policy: RollbackPolicy, gate: Gate | None
) -> Stage:
    """*target* gets so many percent, once it has the capacity for them."""
    replicas, weights = needed(state, target, percent, policy), shares(state, target, bad, percent)
    return Stage(
        name=name,
        title=f"send {percent}% of the traffic to {target}",
        steps=(
            scale(f"{name}-capacity", state, target, replicas, policy),
            route(f"{name}-weight", weights, target, policy),
        ),
        gate=gate,
    )


def in_turn(state: ServiceState, stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """*stages* that scale a release more than once: each such step says how many replicas the one before has left."""
    now = dict(state.replicas)

    def titled(step: StageStep) -> StageStep:
        if not isinstance(step.operation, Scale):
            return step
        release, replicas = step.operation.release, step.operation.replicas
        before, now[release] = now.get(release, 0), replicas
        return step.model_copy(update={"title": _scales(release, before, replicas)})

    return tuple(stage.model_copy(update={"steps": tuple(map(titled, stage.steps))}) for stage in stages)


def _scales(release: str, before: int, replicas: int) -> str:
    return f"scale {release} from {before} to {replicas}" if before != replicas else f"keep {release} at {replicas}"


def compare(target: str, need: Need, policy: RollbackPolicy) -> Compare:
    return Compare(
        release=target,
        need=need,
        seconds=policy.soak,
        extension=policy.soak_extension,
        min_requests=policy.min_requests,
    )


def drain(bad: str, policy: RollbackPolicy) -> Stage:
    step = StageStep(
        id="drain",
        title=f"drain {bad}",
        operation=Drain(release=bad),
        check=Drained(release=bad, timeout=policy.drain_timeout),
    )
    return Stage(name="drain", title=f"let {bad} finish what it has", steps=(step,))


def soak(target: str, policy: RollbackPolicy) -> Stage:
    gate = Soak(release=target, seconds=policy.soak, extension=policy.soak_extension, min_requests=policy.min_requests)
    return Stage(name="soak", title=f"watch {target} under traffic", gate=gate)


def retire(state: ServiceState, bad: str, policy: RollbackPolicy) -> Stage:
    """The processes of *bad* are gone afterwards; they can be created again."""
    return Stage(
        name="retire",
        title=f"scale {bad} down",
        steps=(scale("retire", state, bad, 0, policy),),
        point_of_no_return=True,
    )
