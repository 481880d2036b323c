"""Heartbeats of every remote activity, so that a worker that was killed is noticed whatever it was doing.

The worker sends them and not the activity: what an activity waits for (a control plane that waits for its proxies, a
database) may take longer than the time-out, and must not look like a dead worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from temporalio import activity, worker

BEATS = 4
"""Heartbeats in the time of a contract's heartbeat time-out: three may be late or lost."""


class Heartbeats(worker.Interceptor):
    """Given to every worker."""

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:
        return _Beating(super().intercept_activity(next))


class _Beating(worker.ActivityInboundInterceptor):
    """Made anew for each attempt."""

    def init(self, outbound: worker.ActivityOutboundInterceptor) -> None:
        self._said = _Said(outbound)
        super().init(self._said)

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        info = activity.info()
        if not info.heartbeat_timeout:  # local ones have none
            return await super().execute_activity(input)
        self._said.details = info.heartbeat_details
        beating = asyncio.create_task(self._beat(info.heartbeat_timeout.total_seconds() / BEATS))
        try:
            return await super().execute_activity(input)
        finally:
            beating.cancel()

    async def _beat(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            self._said.again()


class _Said(worker.ActivityOutboundInterceptor):
    """Remembers what the activity itself says with a heartbeat: one without details would forget it."""

    details: Sequence[Any] = ()

    def heartbeat(self, *details: Any) -> None:
        self.details = details
        super().heartbeat(*details)

    def again(self) -> None:
        super().heartbeat(*self.details)
