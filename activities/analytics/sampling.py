"""A window of counts from a source that only knows totals: look, wait, look again, subtract."""

from __future__ import annotations

import asyncio

from activities.analytics.telemetry import Telemetry
from models.catalog import Catalog
from models.telemetry import WindowReading, between


def slow_threshold(catalog: Catalog, service: str) -> float | None:
    """Milliseconds beyond which a request is slow; none where the service has no latency objective."""
    latency = catalog.service(service).slos.latency
    return latency.threshold_ms if latency else None


async def observe_window(telemetry: Telemetry, catalog: Catalog, service: str, seconds: float) -> WindowReading:
    """What *service* counts within *seconds* from now."""
    slow_ms = slow_threshold(catalog, service)
    earlier = await telemetry.totals(service, slow_ms)
    await asyncio.sleep(seconds)
    return between(earlier, await telemetry.totals(service, slow_ms))
