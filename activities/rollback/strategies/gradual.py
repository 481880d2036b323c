"""Gradual: share by share, for when capacity comes only little by little. No share is sent before it can be carried.

| stage | passes when | undone by |
|---|---|---|
| share-10, share-25, share-50: target scaled, routed | no harm beside those that serve | weights, replicas before |
| share-100: the same | every proxy routes so | weights, replicas before |
| soak: the target under all traffic | objectives met | - |
| drain: the bad release finishes what it has | no request in flight | admitting it again |
| retire: the bad release to 0 | ready = 0 | the replicas before, ready before any weight returns |

The target is scaled to what the share needs of the full capacity, rounded up, and is ready before it is routed to.
Shares that it has already are passed over.

Point of no return: *retire*, because the bad release's processes are gone; they can be created again.
"""

from __future__ import annotations

from activities.rollback.strategies.stages import drain, full, retire, route, scale, shares, soak
from models.catalog import RollbackPolicy
from models.service_state import ServiceState
from models.stage import Compare, Stage

NAME = "gradual"
BESIDE = (10, 25, 50)
"""Percent of the requests that the target answers while others serve too, one after the other."""


def stages(state: ServiceState, target: str, bad: str, policy: RollbackPolicy) -> tuple[Stage, ...]:
    """The stages that lead from *state* to *target*, with the capacity of all releases that serve now."""
    beside = [share for share in BESIDE if share > state.weights.get(target, 0)]
    return (
        *(_share(state, target, bad, share, policy) for share in beside),
        _share(state, target, bad, 100, policy),
        soak(target, policy),
        drain(bad, policy),
        retire(state, bad, policy),
    )


def _share(state: ServiceState, target: str, bad: str, share: int, policy: RollbackPolicy) -> Stage:
    """Capacity leads weight. Held beside the others while there are any: that is the stronger evidence."""
    return Stage(
        name=f"share-{share}",
        title=f"send {share}% of the traffic to {target}",
        steps=(
            scale(f"scale-{share}", state, target, _needed(state, target, share), policy),
            route(f"route-{share}", shares(state, target, bad, share), target, policy),
        ),
        gate=_no_harm(target, policy) if share < 100 else None,
    )


def _needed(state: ServiceState, target: str, share: int) -> int:
    """Replicas that carry the share, rounded up, and never fewer than there are."""
    return max(-(-full(state, target) * share // 100), state.replicas.get(target, 0))


def _no_harm(target: str, policy: RollbackPolicy) -> Compare:
    return Compare(
        release=target,
        need="no-harm",
        seconds=policy.soak,
        extension=policy.soak_extension,
        min_requests=policy.min_requests,
    )
