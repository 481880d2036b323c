"""Protection as a lease: it lapses by itself unless it is renewed."""

from __future__ import annotations

from models.base import Frozen, Time
from models.catalog import Protection


class LeaseRequest(Frozen):
    """One protective action on one service. The same id always gets the same lease back."""

    id: str
    """Minted from the incident; once released or lapsed it is spent and cannot be taken again."""
    owner: str
    """The incident's ULID, or a person."""
    service: str
    protection: Protection
    seconds: float
    """Time to live from now."""
    override: bool = False
    """A person's word: of its kind, nothing else counts for the service, be it stricter or not."""


class Lease(Frozen):
    """A lease as the control plane holds it."""

    id: str
    owner: str
    """Empty, as is the service, where the lease was released before it was ever taken."""
    service: str
    protection: Protection | None
    """None where the lease was released before it was ever taken."""
    expires_at: Time
    override: bool = False
    """As it was asked for."""
    active: bool
    """False once released or lapsed."""
    pending: tuple[str, ...] = ()
    """Expected proxies that have not acknowledged it yet."""
