"""Immediate: the whole way back in one switch, for when the cause is clear and the target has full capacity.

| stage | gate | undone by |
|---|---|---|
| scale-target: target to full | ready = full | the replicas before |
| switch: weights to 100 | every proxy routes so | the weights before |
| drain: the bad release finishes what it has | no request in flight | admitting it again |
| soak: the target under traffic | objectives met | - |
| retire: the bad release to 0 | ready = 0 | the replicas before, ready before any weight returns |

Point of no return: *retire*, because the bad release's processes are gone; they can be created again.
"""

from __future__ import annotations

from models.catalog import RollbackPolicy
from models.plan import Drain, Drained, Ready, Route, Routed, Scale, ServiceState, Soak, Stage, StageStep

NAME = "immediate"


def stages(state: ServiceState, target: str, bad: str, policy: RollbackPolicy) -> tuple[Stage, ...]:
    """The stages that lead from *state* to *target*, with the capacity of all releases that serve now."""
    serving = sum(state.replicas.get(release, 0) for release, weight in state.weights.items() if weight)
    full = max(serving, state.replicas.get(target, 0), 1)
    weights = dict.fromkeys(sorted({*state.weights, bad}), 0) | {target: 100}
    return (
        Stage(
            name="scale-target",
            title=f"scale {target} to full",
            steps=(
                StageStep(
                    id="scale-target",
                    title=f"scale {target} from {state.replicas.get(target, 0)} to {full}",
                    operation=Scale(release=target, replicas=full),
                ),
            ),
            gate=Ready(release=target, replicas=full, timeout=policy.ready_timeout),
        ),
        Stage(
            name="switch",
            title=f"send all traffic to {target}",
            steps=(StageStep(id="switch", title=f"route 100% to {target}", operation=Route(weights=weights)),),
            gate=Routed(weights=weights, timeout=policy.ready_timeout),
            moves_traffic=True,
        ),
        Stage(
            name="drain",
            title=f"let {bad} finish what it has",
            steps=(StageStep(id="drain", title=f"drain {bad}", operation=Drain(release=bad)),),
            gate=Drained(release=bad, timeout=policy.drain_timeout),
        ),
        Stage(
            name="soak",
            title=f"watch {target} under traffic",
            gate=Soak(
                release=target, seconds=policy.soak, extension=policy.soak_extension, min_requests=policy.min_requests
            ),
        ),
        Stage(
            name="retire",
            title=f"scale {bad} down",
            steps=(
                StageStep(
                    id="retire",
                    title=f"scale {bad} from {state.replicas.get(bad, 0)} to 0",
                    operation=Scale(release=bad, replicas=0),
                ),
            ),
            gate=Ready(release=bad, replicas=0, timeout=policy.ready_timeout),
            point_of_no_return=True,
        ),
    )
