"""Immediate: the whole way back in one switch, for when the cause is clear and the target has full capacity.

| stage | passes when | undone by |
|---|---|---|
| scale-target: target to full | ready = full | the replicas before |
| switch: weights to 100 | every proxy routes so | the weights before |
| drain: the bad release finishes what it has | no request in flight | admitting it again |
| soak: the target under traffic | objectives met | - |
| retire: the bad release to 0 | ready = 0 | the replicas before, ready before any weight returns |

Point of no return: *retire*, because the bad release's processes are gone; they can be created again.
"""

from __future__ import annotations

from activities.rollback.strategies.stages import drain, full, retire, route, scale, shares, soak
from models.catalog import RollbackPolicy
from models.service_state import ServiceState
from models.stage import Stage

NAME = "immediate"


def stages(state: ServiceState, target: str, bad: str, policy: RollbackPolicy) -> tuple[Stage, ...]:
    """The stages that lead from *state* to *target*, with the capacity of all releases that serve now."""
    return (
        Stage(
            name="scale-target",
            title=f"scale {target} to full",
            steps=(scale("scale-target", state, target, full(state, target, policy), policy),),
        ),
        Stage(
            name="switch",
            title=f"send all traffic to {target}",
            steps=(route("switch", shares(state, target, bad, 100), target, policy),),
        ),
        drain(bad, policy),
        soak(target, policy),
        retire(state, bad, policy),
    )
