"""What renewing leases costs: processor time of every process for one renewal, beside the same time without any."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psutil
from temporalio.client import WorkflowHandle

from activities.breaker.contract import RENEW
from bench.killing import scheduled
from bench.processor import used

WATCHED = 30.0
"""Seconds."""


async def idle(processes: Callable[[], Mapping[str, psutil.Process]]) -> dict[str, float]:
    """Processor seconds that each process takes in a second."""
    before, began = used(processes()), time.monotonic()
    await asyncio.sleep(WATCHED)
    return _since(before, used(processes()), time.monotonic() - began)


async def cost(
    incidents: Sequence[WorkflowHandle[Any, Any]],
    processes: Callable[[], Mapping[str, psutil.Process]],
    without: Mapping[str, float],
) -> dict[str, Any]:
    """Of the incidents' renewals, while they do nothing else."""
    renewed = await _renewals(incidents)
    before, began = used(processes()), time.monotonic()
    await asyncio.sleep(WATCHED)
    seconds = time.monotonic() - began
    busy = _since(before, used(processes()), seconds)
    renewals = await _renewals(incidents) - renewed
    assert renewals, "no lease was renewed: the machine is too busy to measure this"
    each = {name: (busy[name] - without[name]) * seconds * 1000 / renewals for name in busy}
    return {
        "renewals_a_second": round(renewals / seconds, 1),
        "processor_ms_for_one": {name: round(milliseconds, 2) for name, milliseconds in each.items()},
        "processor_ms_for_one_together": round(sum(each.values()), 1),
    }


async def _renewals(incidents: Sequence[WorkflowHandle[Any, Any]]) -> int:
    return sum(await asyncio.gather(*(scheduled(incident, RENEW.name) for incident in incidents)))


def _since(before: Mapping[str, float], after: Mapping[str, float], seconds: float) -> dict[str, float]:
    return {name: (after[name] - before[name]) / seconds for name in before}
