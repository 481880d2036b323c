"""What Sternway asks of telemetry: cumulative raw counts for each release, their history, and requests in flight; and
for those who predict, all that callers see of a service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from models.telemetry import NoData, Signals, Totals, WindowReading


class Telemetry(Protocol):
    """Never raises for a source that is away or has nothing to say: that is :class:`~models.telemetry.NoData`."""

    async def totals(self, service: str, slow_ms: float | None) -> Totals | NoData:
        """Counts since the source began. *slow_ms*: what counts as slow; rounded up to the source's next bucket."""
        ...

    async def history(self, service: str, slow_ms: float | None, until: datetime) -> Sequence[WindowReading] | NoData:
        """:data:`~models.telemetry.HISTORY` before *until*, window by window, the oldest first; no data where the
        source keeps none. A window in which the source did not look has no requests, and the next has those of both.
        """
        ...

    async def in_flight(self, service: str, release: str) -> int | NoData:
        """Requests that *release* is answering at this moment."""
        ...


class Sampling(Telemetry, Protocol):
    """Telemetry that answers for many services with one question to its source, as somebody who watches needs it."""

    async def totals_of(self, services: Mapping[str, float | None]) -> dict[str, Totals | NoData]:
        """:meth:`Telemetry.totals` of each service; the values are their *slow_ms*. Every service has an answer."""
        ...

    async def signals_of(self, services: Mapping[str, float | None]) -> dict[str, Signals | NoData]:
        """What callers see of each service; the values are their *slow_ms*. Every service has an answer."""
        ...

    async def close(self) -> None:
        """Give back the connections."""
        ...
