"""States of one service, as they are read before a plan is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from models.deployment import Deployment
from models.service_state import ServiceState

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

RELEASES: tuple[str, ...] = ("v1", "v2", "v3", "v4")


def state(
    weights: Mapping[str, int], replicas: Mapping[str, int] | None = None, deployed: Sequence[str] = ()
) -> ServiceState:
    """*deployed*: newest first. Every replica is ready."""
    replicas = {release: 2 for release, weight in weights.items() if weight} if replicas is None else replicas
    return ServiceState(
        region="eu",
        service="payments",
        weights=dict(weights),
        mesh_generation=7,
        replicas=dict(replicas),
        ready=dict(replicas),
        platform_generation=3,
        deployments=tuple(
            Deployment(release=release, at=NOW - timedelta(hours=age)) for age, release in enumerate(deployed)
        ),
    )


@st.composite
def states(draw: st.DrawFn) -> ServiceState:
    """Any state: some releases are routed, to 100 in all or not at all, some have replicas, some were deployed."""
    releases = draw(st.lists(st.sampled_from(RELEASES), unique=True))
    weights = dict.fromkeys(releases, 0)
    left = 100 if draw(st.booleans()) else 0
    for release in releases[1:]:
        weights[release] = draw(st.integers(0, left))
        left -= weights[release]
    if releases:
        weights[releases[0]] = left
    replicas = draw(st.dictionaries(st.sampled_from(RELEASES), st.integers(0, 9)))
    return state(weights, replicas, draw(st.lists(st.sampled_from(RELEASES), max_size=6)))


def capacity(now: ServiceState) -> int:
    """Replicas of the releases that requests go to."""
    return sum(now.replicas.get(release, 0) for release, weight in now.weights.items() if weight)
