"""What workflows may ask of the breaker module: protection as a lease."""

from __future__ import annotations

from datetime import timedelta

from activities.contract import Contract, WhenRegionIsSilent
from models.base import Frozen
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


def lease_id(incident: str) -> str:
    """The one protective lease of an incident."""
    return f"{incident}-protect"
