"""Canary reverse: a small share goes to the target first, for when it is not sure that going back helps.

| stage | passes when | undone by |
|---|---|---|
| canary: 5% beside the bad release, capacity first | target significantly better | target to what it had |
| half: 50%, capacity first | target meets its objectives, and nothing says that it is worse | the weights before |
| all: 100%, capacity first | every proxy routes so | the weights before |
| drain: the bad release finishes what it has | no request in flight | admitting it again |
| soak: the target under traffic | objectives met | - |
| retire: the bad release to 0 | ready = 0 | the replicas before, ready before any weight returns |

A target that is no better after the canary's whole time is not the way out: the rollback holds with 5% on it. No point
of no return until *retire*.
"""

from __future__ import annotations

from activities.rollback.strategies.stages import compare, drain, in_turn, retire, share, soak
from models.catalog import RollbackPolicy
from models.service_state import ServiceState
from models.stage import Stage
from models.verdict import Need

NAME = "canary-reverse"

CANARY, HALF = 5, 50
"""Percent of the requests."""


def stages(state: ServiceState, target: str, bad: str, policy: RollbackPolicy) -> tuple[Stage, ...]:
    """The stages that lead from *state* to *target*. The target keeps a share that is larger than the next one."""
    now = state.weights.get(target, 0)
    found = (
        share("canary", state, target, bad, max(CANARY, now), policy, compare(target, Need.BETTER, policy)),
        share("half", state, target, bad, max(HALF, now), policy, compare(target, Need.NO_HARM, policy)),
        share("all", state, target, bad, 100, policy, None),
        drain(bad, policy),
        soak(target, policy),
        retire(state, bad, policy),
    )
    return in_turn(state, found)
