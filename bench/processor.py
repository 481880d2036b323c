"""Processor time of the processes of a small world, as the kernel counts it."""

from __future__ import annotations

from collections.abc import Mapping

import psutil

from bench.memory import named
from workers.local.processes import Processes

OTHERS = ("temporal", "envoy", "agent")


def everything(processes: Processes) -> dict[str, psutil.Process]:
    """All processes of the world but for the replicas: Sternway's own, and what they work with."""
    return {**named(processes), **{name: psutil.Process(processes.pid(name)) for name in OTHERS}}


def used(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    """Seconds that each has used so far."""
    return {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}
