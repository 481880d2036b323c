"""What Sternway asks of telemetry: cumulative raw counts for each release, and the requests in flight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from models.telemetry import NoData, Totals


class Telemetry(Protocol):
    """Never raises for a source that is away or has nothing to say: that is :class:`~models.telemetry.NoData`."""

    async def totals(self, service: str, slow_ms: float | None) -> Totals | NoData:
        """Counts since the source began. *slow_ms*: what counts as slow; rounded up to the source's next bucket."""
        ...

    async def in_flight(self, service: str, release: str) -> int | NoData:
        """Requests that *release* is answering at this moment."""
        ...


class Sampling(Telemetry, Protocol):
    """Telemetry that answers for many services with one question to its source, as somebody who watches needs it."""

    async def totals_of(self, services: Mapping[str, float | None]) -> dict[str, Totals | NoData]:
        """:meth:`Telemetry.totals` of each service; the values are their *slow_ms*. Every service has an answer."""
        ...

    async def close(self) -> None:
        """Give back the connections."""
        ...
