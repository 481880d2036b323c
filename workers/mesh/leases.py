"""Protection as leases: taken, renewed, released, and lapsing by themselves, also over a restart (law 11)."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from models.catalog import FallbackAction, WeightAction
from models.lease import Lease, LeaseRequest
from models.receipt import Fence
from workers.mesh.errors import Invalid, Spent, Unknown
from workers.mesh.plane import ControlPlane
from workers.mesh.rows import spent
from workers.observability.logs import logger

LONGEST = 3600.0
"""Seconds: a stolen token must not throttle a service for long."""

AGAIN = 1.0
"""Seconds until a lapse that could not be recorded is recorded."""

TOGETHER = 0.25
"""Seconds in which renewals are gathered. Each push looks at every resource of the region, and a thousand protected
services renew some thirty times a second; nothing is in a hurry, as the proxies have the end before."""

ACKNOWLEDGED_WITHIN = 0.5
"""Seconds that an answer waits for the expected proxies: the first protective action is to be over in a second, and a
proxy that is away must not make it look as if there were no protection."""

_log = logger("sternway.mesh.leases")


class Leases:
    """*newest* names the release of a service that was deployed last, None where nobody knows."""

    def __init__(self, plane: ControlPlane, newest: Callable[[str], Awaitable[str | None]]) -> None:
        self._plane, self._newest = plane, newest
        self._rescheduled = asyncio.Event()
        self._gathering: asyncio.Task[None] | None = None

    async def take(self, request: LeaseRequest) -> Lease:
        """Enforce it; the same id gets the same lease. Raises Invalid, Unknown, Spent, Fenced."""
        self._plane.require(request.service)
        _check_seconds(request.seconds)
        newest = await self._checked_newest(request) if self._find(request.id) is None else None
        lease = self._find(request.id)
        if lease is None:
            self._plane.ledger.require_unfenced(request.owner)
            lease = Lease(
                **request.model_dump(include={"id", "owner", "service", "override"}),
                protection=request.protection,
                expires_at=_after(request.seconds),
                active=True,
            )
            self._plane.terms.take(lease, newest, request.seconds, time.monotonic())
            self._serve()
            enforced = await self._enforced(lease)
            facts = {"lease": lease.id, "service": lease.service, "action": request.protection.action}
            _log.info("protection taken", **facts, pending=enforced.pending)
            return enforced
        if not lease.active:
            raise Spent(f"lease {request.id} was released or has lapsed; protection needs a lease with another id")
        return await self._enforced(lease)

    async def renew(self, id: str, seconds: float) -> Lease:
        """Let it live *seconds* from now; a spent one stays spent. Raises Invalid, Unknown."""
        _check_seconds(seconds)
        lease = self._find(id)
        if lease is None:
            raise Unknown(f"there is no lease {id}; take it before renewing it")
        if not lease.active:
            return lease
        renewed = lease.model_copy(update={"expires_at": _after(seconds)})
        self._plane.terms.renew(renewed, seconds, time.monotonic())
        self._gathering = self._gathering or asyncio.create_task(self._serve_together())
        await asyncio.shield(self._gathering)
        return await self._enforced(renewed)

    async def release(self, id: str) -> Lease:
        """Lift the protection, and spend the id even if it was never taken."""
        lease = self._find(id) or spent(id)
        self._plane.terms.end(lease)
        if not lease.active:
            return lease
        self._serve()
        _log.info("protection lifted", lease=id, service=lease.service)
        return await self._enforced(lease.model_copy(update={"active": False}))

    async def fence(self, incident: str) -> Fence:
        """Take no new change and no lease of the incident any more, and lift those that it has. Raises KeyMisused."""
        fenced_at = self._plane.ledger.fence(incident, datetime.now(UTC))
        lifted = [term.lease for term in self._plane.terms.running(time.monotonic()) if term.lease.owner == incident]
        for lease in lifted:
            self._plane.terms.end(lease)
        self._serve()
        pending: list[str] = []
        for service in {lease.service for lease in lifted}:
            pending += await self._plane.confirmed(service, ACKNOWLEDGED_WITHIN)
        _log.info("incident fenced", incident=incident, lifted=[lease.id for lease in lifted], pending=pending)
        return Fence(
            incident=incident,
            at=fenced_at,
            lifted=tuple(lease.id for lease in lifted),
            pending=tuple(dict.fromkeys(pending)),
        )

    def lapse(self) -> None:
        """Lift every protection whose time is over, then record it: lifting needs no disk."""
        over = self._plane.terms.over(time.monotonic())
        if over:
            self._plane.protect()
        for lease in (term.lease for term in over):
            self._plane.terms.end(lease)
            _log.info("protection lapsed", lease=lease.id, service=lease.service)

    async def keep_time(self) -> None:
        """Lift what lapses when it lapses, for ever."""
        while True:
            ends = self._plane.terms.next_end
            wait = None if ends is None else max(0.0, ends - time.monotonic())
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._rescheduled.wait()
            self._rescheduled.clear()
            try:
                self.lapse()
            except sqlite3.OperationalError as error:
                _log.error("protection is lifted, but that cannot be recorded yet", error=str(error), again_in=AGAIN)
                await asyncio.sleep(AGAIN)

    async def _checked_newest(self, request: LeaseRequest) -> str | None:
        """The release that a cap is for. Raises Invalid where the protection would do harm or nothing."""
        service = self._plane.services[request.service]
        if isinstance(request.protection, FallbackAction):
            if service.fallback not in self._plane.services:
                raise Invalid(f"{request.service} names no fallback that {self._plane.region} serves")
            if not self._plane.ready(service.fallback):
                raise Invalid(f"{service.fallback}, the fallback of {request.service}, has no ready replica")
        if not isinstance(request.protection, WeightAction):
            return None
        newest = await self._newest(request.service) or next(iter(service.releases), None)
        if newest is None:
            raise Invalid(f"nobody knows the newest release of {request.service}; name its releases in the catalog")
        if not self._plane.ready(request.service) - {newest}:
            raise Invalid(f"{request.service} has no ready replica of another release than {newest} to take the rest")
        return newest

    def _find(self, id: str) -> Lease | None:
        return self._plane.terms.find(id, time.monotonic())

    async def _serve_together(self) -> None:
        await asyncio.sleep(TOGETHER)
        self._gathering = None
        self._serve()

    def _serve(self) -> None:
        """What the leases make of the region has changed."""
        self._rescheduled.set()
        self._plane.protect()

    async def _enforced(self, lease: Lease) -> Lease:
        return lease.model_copy(update={"pending": await self._plane.confirmed(lease.service, ACKNOWLEDGED_WITHIN)})


def _after(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def _check_seconds(seconds: float) -> None:
    if not (math.isfinite(seconds) and 0 < seconds <= LONGEST):
        raise Invalid(f"a lease lives more than 0 and at most {LONGEST:.0f} seconds, not {seconds}; renew it in time")
