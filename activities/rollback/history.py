"""What was deployed when, by everybody's word; which hold that ends, and which release is not gone back to. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from heapq import merge
from itertools import groupby

from models.deployment import Deployment
from models.hold import RolledAway
from models.point import ProvenRelease

SAME = timedelta(minutes=15)
"""Within which a delivery system's word and the platform's, or another's, are about one deployment: a pipeline tells
before or after its rollout, and a rollout takes its time. So a release may seem that much younger than its trouble."""


def known_here(known: Collection[str], events: Iterable[Deployment]) -> tuple[tuple[Deployment, ...], tuple[str, ...]]:
    """The *events* of releases that the platform or the mesh knows; and the names of the others.

    A commit where the platform counts versions, a slip of the keyboard, another service of the same repository: such a
    name must neither pass for the newest release nor end a hold.
    """
    told = tuple(events)
    foreign = dict.fromkeys(event.release for event in told if event.release not in known)
    return tuple(event for event in told if event.release in known), tuple(foreign)


def merged(platform: Sequence[Deployment], events: Iterable[Deployment]) -> tuple[Deployment, ...]:
    """One history, newest first, of the *platform*'s own (newest first) and of the *events* in any order.

    The platform's is kept as it is, in its own order, for it has seen what happened. An event adds a deployment that
    is missing there; one of the same release at about the same time, with nothing in between, tells of the same.
    """
    told = sorted(events, key=lambda event: (event.at, event.release), reverse=True)
    both = merge(
        ((deployment, True) for deployment in platform),
        ((event, False) for event in told),
        key=lambda entry: entry[0].at,
        reverse=True,
    )
    runs = groupby(both, key=lambda entry: entry[0].release)
    return tuple(deployment for _, run in runs for deployment in _without_repeats(list(run)))


def _without_repeats(run: Sequence[tuple[Deployment, bool]]) -> list[Deployment]:
    """Of neighbours of one release, newest first, each with whether the platform has seen it."""
    kept = {place: deployment for place, (deployment, seen) in enumerate(run) if seen}
    for place, (event, seen) in reversed(list(enumerate(run))):
        if not seen and all(abs(event.at - known.at) > SAME for known in kept.values()):
            kept[place] = event
    return [kept[place] for place in sorted(kept)]


def closing(holds: Iterable[RolledAway], points: Sequence[ProvenRelease], now: datetime) -> tuple[RolledAway, ...]:
    """Of the holds that no person has lifted those whose release no soak since has proven: it is not gone back to.

    Also those that a newer release has ended: it may be bad as well, and the release that failed is no better for it.
    """

    def proven(hold: RolledAway) -> bool:
        return any(p.release == hold.release and p.taken_at > hold.since and p.usable(now) for p in points)

    return tuple(hold for hold in holds if not proven(hold))


def newer_release(hold: RolledAway, history: Sequence[Deployment]) -> Deployment | None:
    """The deployment that ends the hold: the first one since of a release that had not been deployed before.

    The return of an older release ends nothing: the next trouble with that would lead to the held one.
    """
    older = {deployment.release for deployment in history if deployment.at <= hold.since} | {hold.release}
    newer = [deployment for deployment in history if deployment.at > hold.since and deployment.release not in older]
    return min(newer, key=lambda deployment: deployment.at, default=None)
