"""Which release to go away from, and which to go back to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.plan import ServiceState


@dataclass(frozen=True)
class Way:
    """From the bad release to the target; no target is a reason to hold."""

    bad: str | None
    target: str | None
    sentence: str


def way_back(state: ServiceState, known: Sequence[str]) -> Way:
    """The release that serves now is the bad one; the target is what was deployed before it.

    *known*: releases that the catalog calls working, newest first. They help where the deployment history is short.
    """
    bad = _serving(state)
    if bad is None:
        return Way(
            None, None, f"nothing of {state.service} is routed in {state.region}, so there is nothing to go back from"
        )
    history = [deployment.release for deployment in state.deployments]
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
    """The release with the largest share; of equal ones the one that was deployed last."""
    if not any(state.weights.values()):
        return None
    ages = {deployment.release: -index for index, deployment in reversed(list(enumerate(state.deployments)))}
    return max(sorted(state.weights), key=lambda release: (state.weights[release], ages.get(release, -len(ages) - 1)))
