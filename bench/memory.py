"""Memory of the processes of a small world, as the kernel counts it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from workers.local.processes import Processes

MB = 1_000_000
LEARNED = re.compile(r"/site-packages/(numpy|scipy|pandas|sklearn|xgboost|lightgbm|onnxruntime|torch)/")


@dataclass(frozen=True)
class Footprint:
    """Megabytes."""

    rss: float
    pss: float

    @property
    def shown(self) -> dict[str, float]:
        return {"rss": self.rss, "pss": self.pss}


def footprints(processes: Processes) -> dict[str, Footprint]:
    """Of the gateway, the mesh control plane, the pool's supervisor and each of its processes."""
    return {name: _of(process) for name, process in named(processes).items()}


def gained(before: Mapping[str, Footprint], after: Mapping[str, Footprint]) -> dict[str, float]:
    """Resident megabytes."""
    return {name: round(after[name].rss - before[name].rss, 1) for name in before}


def learned_models(processes: Processes) -> list[str]:
    """Packages for learned models of which a process has a library mapped."""
    maps = "".join(Path(f"/proc/{process.pid}/maps").read_text() for process in named(processes).values())
    return sorted(set(LEARNED.findall(maps)))


def named(processes: Processes) -> dict[str, psutil.Process]:
    """The processes of Sternway's own."""
    pool = psutil.Process(processes.pid("pool"))
    members = sorted(pool.children(), key=lambda child: child.pid)
    return {
        **{name: psutil.Process(processes.pid(name)) for name in ("gateway", "mesh")},
        "pool supervisor": pool,
        **{f"pool process {number}": member for number, member in enumerate(members, start=1)},
    }


def _of(process: psutil.Process) -> Footprint:
    found = process.memory_full_info()
    return Footprint(rss=round(found.rss / MB, 1), pss=round(found.pss / MB, 1))
