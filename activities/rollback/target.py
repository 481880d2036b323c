"""Which release to go away from, and which to go back to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from models.service_state import ServiceState


@dataclass(frozen=True)
class Way:
    """From the bad release to the target; no target is a reason to hold."""

    bad: str | None
    target: str | None
    sentence: str


def way_back(state: ServiceState, known: Sequence[str], closed: Mapping[str, str]) -> Way:
    """What was deployed last of all that serves now is the bad one; the target is what was deployed before it.

    *known*: releases that are known to work, newest first. They help where the deployment history is short. *closed*:
    releases that are not gone back to, each with the reason.
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
    passed_over: list[str] = []
    for release, sentence in _earlier(bad, history, known):
        if release not in closed:
            return Way(bad, release, "; ".join((sentence, *passed_over)))
        passed_over.append(f"not {release}: {closed[release]}")
    if passed_over:
        return Way(bad, None, f"no release older than {bad} can be gone back to: {'; '.join(passed_over)}")
    return Way(bad, None, f"no release older than {bad} is known: neither the platform nor the catalog names one")


def _earlier(bad: str, history: Sequence[str], known: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each release that may be gone back to, the best first, with where it is known from."""
    seen = {bad}
    deployed = history[history.index(bad) :] if bad in history else history
    works = known[list(known).index(bad) + 1 :] if bad in known else known
    for releases, sentence in ((deployed, f"was deployed before {bad}"), (works, "is known to work")):
        for release in releases:
            if release not in seen:
                seen.add(release)
                yield release, f"{release} {sentence}"


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
