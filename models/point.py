"""Rollback points: validated, dated places to go back to."""

from __future__ import annotations

from models.base import Frozen, Name, Percent, Release, Time
from models.verdict import Finding


class RollbackPoint(Frozen):
    """One service in one region as it was when it was last known good, or just before Sternway changed it."""

    service: Name
    region: Name
    release: Release
    weights: dict[Release, Percent]
    replicas: dict[Release, int]
    taken_at: Time
    health: Finding
    """What a soak said of it at that time. Only a point that passed is ever chosen."""
    valid: bool = True
    reason: str = ""
    """Why it is not valid."""
    expires_at: Time
