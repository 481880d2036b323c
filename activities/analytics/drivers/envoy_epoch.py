"""Which run of Envoy the counters belong to: a restart sets them to zero, and totals across it mean nothing.

Envoy's own identity of a run is the instant at which it loaded its bootstrap (``/config_dump``, to the millisecond):
the same for whoever asks. The dump is asked for only when the uptime says that this may be another run.
"""

from __future__ import annotations

from datetime import datetime

import httpx
from pydantic import BaseModel

_JITTER = 2.0
"""Seconds by which two estimates of one start may differ: the uptime is in whole seconds, the answer takes its time."""


class _Dump(BaseModel):
    last_updated: str = ""


class _Dumps(BaseModel):
    configs: list[_Dump]


class Epoch:
    """Remembers the run of the Envoy behind *client*."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._started: float | None = None
        self._uptime = 0.0
        self._epoch = ""

    async def of(self, uptime: float, at: datetime) -> str:
        """The run that had this *uptime* (seconds) at this instant. Raises httpx errors and ``ValueError``."""
        started = at.timestamp() - uptime
        if self._started is None or another_run(self._started, self._uptime, started, uptime):
            # Other parts of the configuration have this field deeper down, and the mask drops them.
            response = await self._client.get("/config_dump", params={"mask": "last_updated"})
            response.raise_for_status()
            dumps = _Dumps.model_validate_json(response.content).configs
            self._epoch = next((dump.last_updated for dump in dumps if dump.last_updated), "")
            if not self._epoch:
                raise ValueError("no bootstrap in the configuration dump")
        self._started, self._uptime = started, uptime
        return self._epoch


def another_run(started_before: float, uptime_before: float, started: float, uptime: float) -> bool:
    """Whether Envoy may have been restarted between two looks at its uptime.

    A young one is always asked again: two starts within the jitter cannot be told apart by it.
    """
    return uptime < uptime_before or abs(started - started_before) > _JITTER or uptime <= 2 * _JITTER
