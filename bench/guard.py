"""What a guard costs a call, beside the breakers that are in use in Python, and what it costs in memory.

The others are installed from the package index into a folder that goes with the run. Every figure is the median over
interleaved rounds of what a breaker adds to the bare call.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from bench.guard_peers import PACKAGES
from bench.result import Benchmark, Outcome, Progress, at_most, median

FEATURELESS, CLOSEST = "circuitbreaker", "interlock"
"""The fastest of the others, which counts failures alone, and the one that comes closest in what it can do."""
OF_FEATURELESS, OF_CLOSEST = 0.65, 0.1
BYTES = 4096.0


async def measure(arguments: argparse.Namespace, folder: Path, progress: Progress) -> Outcome:
    peers = arguments.peers
    if peers is None:
        peers = folder / "peers"
        progress(f"installing {len(PACKAGES)} other breakers", now=True)
        await _run(sys.executable, "-m", "pip", "install", "--quiet", "--target", str(peers), *PACKAGES.values())
    progress("measuring calls, 21 rounds of each", now=True)
    said = json.loads(await _run(sys.executable, "-m", "bench.guard_calls", path=str(peers)))
    added = {
        way: {outcome: _added(took) for outcome, took in outcomes.items()} for way, outcomes in said["took"].items()
    }
    checks = [at_most("bytes a breaker in use", said["bytes"]["in use"], BYTES)]
    for way in added:
        ok = added[way]["ok"]
        checks.append(at_most(f"{way} ok, of {FEATURELESS}", ok["ours"] / ok[FEATURELESS], OF_FEATURELESS))
        checks.append(at_most(f"{way} ok, of {CLOSEST}", ok["ours"] / ok[CLOSEST], OF_CLOSEST))
    return Outcome({"nanoseconds added": added, "bytes": said["bytes"]}, tuple(checks))


def _added(took: dict[str, list[float]]) -> dict[str, float]:
    """Nanoseconds, each round beside the bare call of the same round."""
    bare = took["bare"]
    return {
        name: round(median([one - without for one, without in zip(rounds, bare, strict=True)]), 1)
        for name, rounds in took.items()
        if name != "bare"
    }


async def _run(*command: str, path: str | None = None) -> str:
    environment = dict(os.environ)
    if path:
        environment["PYTHONPATH"] = os.pathsep.join([path, environment.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
    said, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(2)
    return said.decode()


def options(parser: argparse.ArgumentParser) -> Any:
    parser.add_argument("--peers", type=Path, help="a folder that has the other breakers, instead of installing them")


if __name__ == "__main__":
    Benchmark("guard", __doc__ or "", measure, options).main()
