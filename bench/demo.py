"""The main job, again and again: every fault of the demo, and a control run that shows what the protection is worth.

Each run is ``sternway demo --fault F --json`` as a person starts it, in a folder of its own. The control run is so too,
but with ``--no-protect``: the incident is handled alike, and nothing is leased.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.result import Benchmark, Outcome, Progress, at_least, at_most, below, median

FAULTS = ("errors", "latency", "leak", "crash")

CONTROL = "errors"
"""The fault whose harm is failed requests from the first second on."""


async def measure(arguments: argparse.Namespace, folder: Path, progress: Progress) -> Outcome:
    reports: dict[str, list[dict[str, Any]]] = {}
    for fault in arguments.faults.split(","):
        reports[fault] = [
            await play(folder / f"{fault}-{n}", progress, f"{fault} {n}", "--fault", fault)
            for n in range(1, arguments.times + 1)
        ]
    control = [
        await play(folder / f"control-{n}", progress, f"control {n}", "--fault", CONTROL, "--no-protect")
        for n in range(1, arguments.times + 1)
    ]
    return outcome(reports, control)


def outcome(reports: dict[str, list[dict[str, Any]]], control: list[dict[str, Any]]) -> Outcome:
    runs = [report for found in reports.values() for report in found]
    checks = [
        at_least("runs that ended verified healthy on v1", sum(run["healthy"] for run in runs), len(runs)),
        at_most(
            "requests failed after recovery", sum(run["requests"]["failed_after_recovery"] or 0 for run in runs), 0
        ),
        at_most("longest run, s", max(run["seconds"] for run in runs), 120),
    ]
    if CONTROL in reports:
        with_protection = median([run["requests"]["failed"] for run in reports[CONTROL]])
        without = median([run["requests"]["failed"] for run in control])
        checks.append(
            below(f"failed requests at the median, {CONTROL}, beside the control run", with_protection, without)
        )
    results: dict[str, Any] = {fault: [summary(run) for run in found] for fault, found in reports.items()}
    return Outcome(results | {"control": [summary(run) for run in control]}, tuple(checks))


def summary(report: dict[str, Any]) -> dict[str, Any]:
    """What of a report is worth a line."""
    incidents: list[dict[str, Any]] = report["incidents"]
    return {
        "healthy": report["healthy"],
        "problems": report["problems"],
        "seconds": report["seconds"],
        "requests": report["requests"],
        **{name: [i[name] for i in incidents] for name in ("first_action_ms", "contained_s", "recovered_s")},
    }


async def play(folder: Path, progress: Progress, name: str, *options: str) -> dict[str, Any]:
    """One demo, to its report. Raises RuntimeError where there is none."""
    command = [sys.executable, "-m", "workers.cli", "demo", "--json", "--folder", str(folder), *options]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    waiting = asyncio.create_task(process.communicate())
    began = time.monotonic()
    while not waiting.done():
        progress(f"{name}: {time.monotonic() - began:.0f} s")
        await asyncio.wait([waiting], timeout=2)
    output, said = await waiting
    lines = output.decode().splitlines()
    if not lines:
        raise RuntimeError(f"{name} ended with {process.returncode} and no report:\n{said.decode()[-2000:]}")
    progress(f"{name}: exit status {process.returncode}", now=True)
    return json.loads(lines[-1])


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--times", type=int, default=2, help="runs of each fault, and of the control (default: 2)")
    parser.add_argument("--faults", default=",".join(FAULTS), help=f"some of {','.join(FAULTS)} (default: all)")


if __name__ == "__main__":
    Benchmark("demo", __doc__ or "", measure, options).main()
