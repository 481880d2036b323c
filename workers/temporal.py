"""The way to Temporal, the same for every process: one data converter, tracing, and logs that name the incident."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RetryConfig, RPCError

from activities import fault_points
from models.base import SternwayError
from models.settings import Settings
from workers.conversion import data_converter
from workers.fault_points import TemporalFaultPoints
from workers.observability.activity_logs import ActivityLogs
from workers.observability.activity_metrics import ActivityMetrics
from workers.observability.logs import logger
from workers.observability.tracing import Tracing

CONNECT_TIMEOUT = timedelta(seconds=5)
LONGEST_PAUSE = 2.0
"""Seconds between two attempts; a server that is back is used within these."""


class TemporalAway(SternwayError):
    """No Temporal server answered."""


IMPATIENT = RetryConfig(initial_interval_millis=20, max_interval_millis=50, max_elapsed_time_millis=100, max_retries=2)
"""For who repeats calls himself: a server that went away is noticed at once, and not after the SDK's 10 s."""


async def connect(settings: Settings, tracing: Tracing | None = None, retrying: RetryConfig | None = None) -> Client:
    """A connected client. Raises :class:`TemporalAway` where no server answers; see :func:`connect_when_there`."""
    try:
        return await Client.connect(
            settings.temporal_address,
            namespace=settings.temporal_namespace,
            data_converter=data_converter,
            plugins=tracing.plugins if tracing else [],
            interceptors=[ActivityLogs(), ActivityMetrics(), *_in_chaos()],
            connect_timeout=CONNECT_TIMEOUT,
            retry_config=retrying,
        )
    except (RuntimeError, RPCError) as error:  # the SDK raises a bare RuntimeError for a refused connection
        raise TemporalAway(
            f"Temporal does not answer at {settings.temporal_address}: {error}; "
            "start it, or set STERNWAY_TEMPORAL_ADDRESS to where it is"
        ) from error


async def connect_when_there(
    settings: Settings, tracing: Tracing | None = None, retrying: RetryConfig | None = None
) -> Client:
    """A connected client, however long that takes. An eager start and a worker both need a connected one."""
    pause = 0.1
    say = logger(__name__).warning
    while True:
        try:
            return await connect(settings, tracing, retrying)
        except TemporalAway as away:
            say("temporal away", reason=str(away))
            say = logger(__name__).debug  # once is enough
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 -- jitter, not a secret
        pause = min(pause * 2, LONGEST_PAUSE)


def _in_chaos() -> list[TemporalFaultPoints]:
    return [TemporalFaultPoints()] if fault_points.asked() else []
