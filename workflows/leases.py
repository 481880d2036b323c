"""What is held by renewing it: again after half of its life, until it is let go or found to be over (law 11)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import FailureError


class Renewal:
    """*renew* answers whether it is still in force. One that fails is tried again: the lease may live meanwhile."""

    def __init__(self, what: str, renew: Callable[[], Awaitable[bool]]) -> None:
        self._what = what
        self._renew = renew
        self._running: asyncio.Task[None] | None = None
        self.active = False

    def start(self, seconds: float) -> None:
        """It is in force, or may be, and lives so long."""
        self.active = True
        self._running = asyncio.create_task(self._keep(timedelta(seconds=seconds / 2)))

    def stop(self) -> None:
        """Renew it no more: it is released, or left to lapse."""
        self.active = False

    async def _keep(self, pause: timedelta) -> None:
        while self.active:
            try:
                await workflow.wait_condition(lambda: not self.active, timeout=pause)
            except TimeoutError:
                await self._once()

    async def _once(self) -> None:
        try:
            in_force = await self._renew()
        except FailureError:
            workflow.logger.warning("%s could not be renewed; it lapses by itself", self._what)
            return
        if not in_force:
            self.active = False
