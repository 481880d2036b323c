"""Rollback points: validated, dated places to go back to."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from models.base import Frozen, Name, Percent, Release, Time
from models.catalog import RollbackPolicy
from models.plan import ServiceRollback
from models.service_state import ServiceState
from models.verdict import Finding, Verdict


class Why(StrEnum):
    """What a point was made for."""

    HEALTHY = "healthy"
    """The release had all the traffic and met its objectives for its whole soak."""
    BEFORE_CHANGE = "before-change"
    """An incident was about to change the service: what it was like then, whether it was well or not."""


class ProvenRelease(Frozen):
    """What a plan needs of a rollback point: which release has proven itself, when, and for how long that is good."""

    release: Release
    taken_at: Time
    expires_at: Time

    def usable(self, now: datetime) -> bool:
        """Whether it may be chosen."""
        return self.expires_at > now


class RollbackPoint(ProvenRelease):
    """One service in one region as it was when a release had passed its soak, or just before Sternway changed it.

    Configuration, flags, schema and backups are no part of it: no driver tells of them.
    """

    service: Name
    region: Name
    release: Release
    """Of a point before a change, the release that was to be gone away from."""
    weights: dict[Release, Percent]
    replicas: dict[Release, int]
    taken_at: Time
    why: Why
    incident: str | None = None
    """Whose change it was made before; none for a release that was healthy."""
    health: Finding
    measured: str
    """The verdict's sentence: the health at that time in numbers."""
    valid: bool = True
    reason: str | None = None
    """Why it is not valid. What is not valid once never is again: a release that is well proves it by another soak."""
    expires_at: Time
    checked_at: Time | None = None
    """When it was last held against the world; none: not yet."""
    check_said: str | None = None

    def usable(self, now: datetime) -> bool:
        """Whether it may be chosen. A point before a change never is: no soak has shown that it is a good place."""
        proven = self.why is Why.HEALTHY and self.health is Finding.PASS
        return proven and self.valid and super().usable(now)


def healthy(state: ServiceState, release: str, verdict: Verdict, policy: RollbackPolicy, at: datetime) -> RollbackPoint:
    """The point of a release that has passed its soak."""
    return _point(state, release, verdict, policy, at, Why.HEALTHY, None)


def before_change(rollback: ServiceRollback, incident: str, at: datetime) -> RollbackPoint:
    """The point to record before anything of *rollback* is done, as the journal's kind ``point``."""
    return _point(rollback.state, rollback.bad, rollback.before, rollback.policy, at, Why.BEFORE_CHANGE, incident)


def _point(
    state: ServiceState,
    release: str,
    verdict: Verdict,
    policy: RollbackPolicy,
    at: datetime,
    why: Why,
    incident: str | None,
) -> RollbackPoint:
    return RollbackPoint(
        service=state.service,
        region=state.region,
        release=release,
        weights=state.weights,
        replicas=state.replicas,
        taken_at=at,
        why=why,
        incident=incident,
        health=verdict.finding,
        measured=verdict.sentence,
        expires_at=at + timedelta(seconds=policy.point_max_age),
    )
