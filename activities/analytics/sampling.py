"""A window of counts from a source that only knows totals: look, wait, look again, subtract."""

from __future__ import annotations

import asyncio
import time

from activities.analytics.telemetry import Telemetry
from activities.analytics.verdict import judge_absolute
from models.catalog import Catalog
from models.observation import Observation
from models.telemetry import Window, WindowReading, between

BACK_WITHIN = 5.0
"""Seconds in which a source that is away is looked for again; those who ask give it not much more for the answer."""


def slow_threshold(catalog: Catalog, service: str) -> float | None:
    """Milliseconds beyond which a request is slow; none where the service has no latency objective."""
    latency = catalog.service(service).slos.latency
    return latency.threshold_ms if latency else None


async def observe_window(telemetry: Telemetry, catalog: Catalog, service: str, seconds: float) -> WindowReading:
    """What *service* counts within *seconds* from now, or from when its source is back, if that is soon.

    A proxy that was killed is there again in a moment; a plan that is made meanwhile would be held for a person.
    """
    slow_ms, began = slow_threshold(catalog, service), time.monotonic()
    while True:
        earlier = await telemetry.totals(service, slow_ms)
        await asyncio.sleep(seconds)
        window = between(earlier, await telemetry.totals(service, slow_ms))
        if isinstance(window, Window) or time.monotonic() - began > BACK_WITHIN:
            return window


async def observe(telemetry: Telemetry, catalog: Catalog, service: str, seconds: float) -> Observation:
    """The same, with the verdict on each arm of it."""
    window = await observe_window(telemetry, catalog, service, seconds)
    slos, least = catalog.service(service).slos, catalog.policy_of(service).rollback.min_requests
    arms = window.arms if isinstance(window, Window) else {}
    return Observation(window=window, verdicts={arm: judge_absolute(window, arm, slos, least) for arm in arms})
