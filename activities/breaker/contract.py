"""What workflows may ask of the breaker module: protection as a lease."""

from __future__ import annotations

from datetime import timedelta

from activities.contract import Contract, WhenRegionIsSilent
from models.base import Frozen, Time
from models.breaker import Trip, Trips
from models.intent import Tier
from models.lease import Lease
from models.scope import Scope


class Protected(Frozen):
    """What the first protective action came to."""

    lease: Lease | None
    """None where the policy approves no protection."""
    seconds: float
    """How long it lives unless renewed."""
    sentence: str


class LeaseCall(Scope):
    lease: str
    """Id of the lease."""


class WatchCall(Scope):
    began_at: Time
    """When the trouble was first told of: what was before shows what is normal."""
    tiers: tuple[Tier, ...]
    """Whose breakers are watched: those that have something to do, and have not tripped yet."""
    seconds: float
    """Without a reason to trip it ends after these."""


class TripCall(Scope):
    trip: Trip


class Tripped(Frozen):
    """How the breakers of one tier stand."""

    active: bool
    """False: nothing is in force, and nothing is to be renewed."""
    sentence: str


PROTECT = Contract("breaker.protect.v1", Scope, Protected, timeout=timedelta(seconds=1), attempts=3)
"""Runs as a local activity where the incident starts: the fastest path, with a token that can do no more than that."""
RENEW = Contract(
    "breaker.renew.v1",
    LeaseCall,
    Lease,
    timeout=timedelta(seconds=8),
    attempts=2,
    when_silent=WhenRegionIsSilent.SKIP,
)
RELEASE = Contract(
    "breaker.release.v1",
    LeaseCall,
    Lease,
    timeout=timedelta(seconds=8),
    attempts=30,
    when_silent=WhenRegionIsSilent.SKIP,
)
WATCH = Contract(
    "breaker.watch.v1", WatchCall, Trips, timeout=timedelta(minutes=10), when_silent=WhenRegionIsSilent.SKIP
)
TRIP = Contract(
    "breaker.trip.v1",
    TripCall,
    Tripped,
    timeout=timedelta(seconds=10),
    attempts=2,
    when_silent=WhenRegionIsSilent.SKIP,
)
"""Said again, it renews them. So what has not come to anything is made good by the next renewal."""
RESTORE = Contract(
    "breaker.restore.v1",
    TripCall,
    Tripped,
    timeout=timedelta(seconds=10),
    attempts=30,
    when_silent=WhenRegionIsSilent.SKIP,
)


def trip_id(incident: str, tier: Tier) -> str:
    """Of the lease and of the intent of one tier's breakers; an incident trips those of each tier once."""
    return f"{incident}-{tier}"


def lease_id(incident: str) -> str:
    """The one protective lease of an incident."""
    return f"{incident}-protect"
