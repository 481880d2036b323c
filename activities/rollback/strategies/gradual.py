"""Gradual: share by share, for when capacity comes only little by little. No share is sent before it can be carried.

| stage | passes when | undone by |
|---|---|---|
| share-10, share-25, share-50: capacity, then the share | no harm beside those that serve | both, as before |
| share-100: the same | every proxy routes so | both, as before |
| soak: the target under all traffic | objectives met | - |
| drain: the bad release finishes what it has | no request in flight | admitting it again |
| retire: the bad release to 0 | ready = 0 | the replicas before, ready before any weight returns |

Where there is no room for both releases in full, each share begins with the bad release giving up the replicas that its
own share does not need any more. Undoing gives them back before their weight returns.

Shares that the target has already are passed over. Point of no return: *retire*, because the bad release's processes
are gone; they can be created again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from activities.rollback.strategies.stages import (
    at_once,
    compare,
    drain,
    fits,
    in_turn,
    needed,
    retire,
    scale,
    share,
    shares,
    soak,
)
from models.catalog import RollbackPolicy
from models.service_state import ServiceState
from models.stage import Stage
from models.verdict import Need

NAME = "gradual"
BESIDE = (10, 25, 50)
"""Percent of the requests that the target answers while others serve too, one after the other."""


def stages(state: ServiceState, target: str, bad: str, policy: RollbackPolicy) -> tuple[Stage, ...]:
    """The stages that lead from *state* to *target*, with the capacity of all releases that serve now."""
    after = (soak(target, policy), drain(bad, policy), retire(state, bad, policy))
    return in_turn(state, (*_shares(state, target, bad, policy), *after))


def most_replicas(state: ServiceState, target: str, bad: str, policy: RollbackPolicy) -> int:
    """Of all releases, at the tightest moment of a rollback that gives up of *bad* what its share does not need."""
    others = sum(replicas for release, replicas in state.replicas.items() if release not in (target, bad))
    return others + max(
        _kept(state, target, bad, before) + needed(state, target, percent, policy)
        for before, percent in _steps(state.weights.get(target, 0))
    )


def _shares(state: ServiceState, target: str, bad: str, policy: RollbackPolicy) -> Iterator[Stage]:
    """Held beside the others while there are any: that is the stronger evidence."""
    for before, percent in _steps(state.weights.get(target, 0)):
        gate = compare(target, Need.NO_HARM, policy) if percent < 100 else None
        stage = share(f"share-{percent}", state, target, bad, percent, policy, gate)
        kept = _kept(state, target, bad, before)
        if kept < state.replicas.get(bad, 0) and not fits(at_once(state, target, policy), state.room):
            room = scale(f"share-{percent}-room", state, bad, kept, policy)
            stage = stage.model_copy(update={"steps": (room, *stage.steps)})
        yield stage


def _steps(now: int) -> Iterator[tuple[int, int]]:
    """Each share with the one before it."""
    return pairwise((now, *(percent for percent in BESIDE if percent > now), 100))


def _kept(state: ServiceState, target: str, bad: str, percent: int) -> int:
    """Replicas of *bad* that its own share needs while *target* has so many percent. The last one goes in *retire*,
    after what it has in flight was waited for."""
    replicas, share_of_bad = state.replicas.get(bad, 0), shares(state, target, bad, percent)[bad]
    needs = math.ceil(replicas * share_of_bad / max(state.weights.get(bad, 0), 1))
    return min(max(needs, 1), replicas)
