"""Which release to go away from, and which to go back to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.service_state import ServiceState


@dataclass(frozen=True)
class Way:
    """From the bad release to the target; no target is a reason to hold."""

    bad: str | None
    target: str | None
    sentence: str


def way_back(state: ServiceState, known: Sequence[str]) -> Way:
    """What was deployed last of all that serves now is the bad one; the target is what was deployed before it.

    *known*: releases that the catalog calls working, newest first. They help where the deployment history is short.
    """
    bad = _serving(state)
    if bad is None:
        return Way(
            None, None, f"nothing of {state.service} is routed in {state.region}, so there is nothing to go back from"
        )
    history = [deployment.release for deployment in state.deployments]
    if bad in history and bad != history[0]:
        return Way(
            bad,
            None,
            f"{state.service} was already taken back from {history[0]} to {bad}: going further back is for a person",
        )
    if bad in history:
        earlier = [release for release in history[history.index(bad) :] if release != bad]
    else:
        earlier = [release for release in history if release != bad]
    for release in earlier:
        return Way(bad, release, f"{release} was deployed before {bad}")
    position = list(known).index(bad) + 1 if bad in known else 0
    for release in known[position:]:
        if release != bad:
            return Way(bad, release, f"the catalog names {release} as a release that works")
    return Way(bad, None, f"no release older than {bad} is known: neither the platform nor the catalog names one")


def _serving(state: ServiceState) -> str | None:
    """Of the releases that requests go to, the one that was deployed last: the newest change is the first suspect,
    however small its share still is. Where the platform does not know them all, the one with the largest share."""
    serving = {release: weight for release, weight in state.weights.items() if weight}
    if not serving:
        return None
    history = [deployment.release for deployment in state.deployments]
    if serving.keys() <= set(history):
        return min(serving, key=history.index)
    return max(sorted(serving), key=serving.__getitem__)
