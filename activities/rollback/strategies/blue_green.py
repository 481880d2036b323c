"""Blue-green: the idle colour is warmed and proven on copies of real requests, then serves everybody in one change.

| stage | passes when | undone by |
|---|---|---|
| warm: target to full, then copies of GET requests | ready = full, before any copy | no copies, the replicas before |
| smoke: how the target answers the copies | objectives met on all that there were | - |
| stop-copies | - | the copies again |
| switch: weights to 100 in one change | every proxy routes so | the weights before |
| drain: the old colour finishes what it has | no request in flight | admitting it again |
| soak: the target under traffic | objectives met | - |

Point of no return: none in the plan. The old colour keeps its replicas, ready to take everybody back. To release them
is for a person or the next deployment, and lies outside of it.

The smoke judges the target alone against the service's objectives, on what it answered to copies that nobody waited
for. Copies can only speak against the switch: a service that has few GET requests, or none, is switched all the same,
as an immediate rollback would have done without asking, and the soak behind it needs real requests. Copies that miss an
objective are watched once more as long; then the rollback stops with nobody moved, takes copies and replicas back, and
the incident holds for a person. What the target calls gets its reads twice while the copies last.
"""

from __future__ import annotations

from activities.rollback.strategies.stages import drain, full, route, scale, shares, soak
from models.catalog import RollbackPolicy
from models.service_state import ServiceState
from models.stage import Mirror, Soak, Stage, StageStep

NAME = "blue-green"


def stages(state: ServiceState, target: str, bad: str, policy: RollbackPolicy) -> tuple[Stage, ...]:
    """The stages that lead from *state* to *target*, with the capacity of all releases that serve now."""
    # A target that serves already has requests of its own: with the copies it gets as many as it is scaled for.
    copied = 100 - state.weights.get(target, 0)
    return (
        Stage(
            name="warm",
            title=f"scale {target} to full and warm it",
            steps=(
                scale("scale-target", state, target, full(state, target, policy), policy),
                _mirror("mirror", f"copy {copied}% of the GET requests to {target}", target, copied),
            ),
        ),
        Stage(name="smoke", title=f"watch {target} answer the copies", gate=_smoke(target, policy)),
        Stage(
            name="stop-copies",
            title=f"stop the copies to {target}",
            steps=(_mirror("stop-copies", f"copy no request to {target}", target, 0),),
        ),
        Stage(
            name="switch",
            title=f"send all traffic to {target}",
            steps=(route("switch", shares(state, target, bad, 100), target, policy),),
        ),
        drain(bad, policy),
        soak(target, policy),
    )


def _mirror(step: str, title: str, target: str, percent: int) -> StageStep:
    return StageStep(id=step, title=title, operation=Mirror(release=target, percent=percent))


def _smoke(target: str, policy: RollbackPolicy) -> Soak:
    return Soak(release=target, seconds=policy.soak, extension=policy.soak_extension, min_requests=0)
