"""What Sternway asks of whatever enforces protection: take, renew and release a lease. Nothing else is allowed."""

from __future__ import annotations

from typing import Protocol

from models.lease import Lease, LeaseRequest


class Protector(Protocol):
    """Raises :class:`~activities.driver.Refused` or ``Unavailable``; see there what each means."""

    async def take(self, request: LeaseRequest) -> Lease:
        """Enforce the protection; answers once the expected proxies do. The same id returns the same lease."""
        ...

    async def renew(self, id: str, seconds: float) -> Lease:
        """Let the lease live *seconds* from now. A spent lease stays spent: ``active`` says so."""
        ...

    async def release(self, id: str) -> Lease:
        """Lift the protection. An id that was never taken is spent by this, so that a late ``take`` is refused."""
        ...
