"""What is decided about the breakers before a service in trouble."""

from __future__ import annotations

from models.base import Frozen
from models.intent import Tier


class Trip(Frozen):
    """One tier's breakers are to trip. What that means at proxies and guards, the policy says."""

    tier: Tier
    because: str
    """What was measured, for people."""
    max_requests: int | None = None
    """In flight, from which on it is saturated: of the system tier."""


class Trips(Frozen):
    """The tiers whose breakers are to trip now; none where a watch has ended without a reason for any."""

    trips: tuple[Trip, ...]
