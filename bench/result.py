"""What a benchmark says: its figures and whether they hold, in one shape, so that a machine can follow them.

Every benchmark is ``python -m bench.NAME``. Progress goes to standard error; with ``--json`` the last line of standard
output is one object; the exit status is 0 if every check holds, and 1 if one does not.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import uvloop

EXIT = "The exit status is 0 if every check holds, 1 if one does not, and 2 if nothing could be measured."


@dataclass(frozen=True)
class Check:
    """One figure that was asked for, held against its limit."""

    name: str
    value: float
    limit: float
    holds: bool


def at_most(name: str, value: float, limit: float) -> Check:
    return Check(name, value, limit, value <= limit)


def at_least(name: str, value: float, limit: float) -> Check:
    return Check(name, value, limit, value >= limit)


def below(name: str, value: float, limit: float) -> Check:
    return Check(name, value, limit, value < limit)


@dataclass(frozen=True)
class Outcome:
    """Figures by name, and the checks on them."""

    results: dict[str, Any]
    checks: tuple[Check, ...]


def machine() -> dict[str, Any]:
    """What the figures were measured on. The load is that before the run: above 0 something else was running."""
    return {
        "processors": os.cpu_count(),
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


@dataclass
class Progress:
    """Says on standard error how far a run has come: at once, then at most every two seconds."""

    said: float = field(default=-math.inf)

    def __call__(self, text: str, *, now: bool = False) -> None:
        if now or time.monotonic() - self.said >= 2:
            self.said = time.monotonic()
            print(text, file=sys.stderr, flush=True)


def median(values: Sequence[float]) -> float:
    return percentile(values, 0.5)


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank; not a number where there are no values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def spread(values: Sequence[float]) -> dict[str, float]:
    """The shares of a distribution that are shown; nothing of none."""
    if not values:
        return {}
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    return {name: round(percentile(values, share), 2) for name, share in shares.items()}


@dataclass(frozen=True)
class Benchmark:
    """One program. *measure* is given its arguments, an empty folder and the progress."""

    name: str
    description: str
    measure: Callable[[argparse.Namespace, Path, Progress], Coroutine[Any, Any, Outcome]]
    options: Callable[[argparse.ArgumentParser], None]

    def main(self) -> None:
        arguments = self._arguments()
        before = machine()
        with tempfile.TemporaryDirectory(prefix=f"bench-{self.name}-") as folder:
            try:
                outcome = uvloop.run(self.measure(arguments, Path(folder), Progress()))
            except KeyboardInterrupt:
                raise SystemExit(130) from None
        self._say(outcome, before, arguments.json)
        raise SystemExit(0 if all(check.holds for check in outcome.checks) else 1)

    def _arguments(self) -> argparse.Namespace:
        parser = argparse.ArgumentParser(
            prog=f"python -m bench.{self.name}",
            description=self.description,
            epilog=f"{EXIT} Example: python -m bench.{self.name} --json",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object as the last line, for machines")
        self.options(parser)
        return parser.parse_args()

    def _say(self, outcome: Outcome, machine: dict[str, Any], as_json: bool) -> None:
        for check in outcome.checks:
            verdict = "holds" if check.holds else "DOES NOT HOLD"
            print(f"{verdict}: {check.name}: {check.value:g} (limit {check.limit:g})", file=sys.stderr)
        failed = sum(not check.holds for check in outcome.checks)
        print(f"{failed} checks do not hold" if failed else "all checks hold", file=sys.stderr, flush=True)
        if not as_json:
            for name, value in outcome.results.items():
                print(f"{name}: {json.dumps(value)}")
            return
        checks = [asdict(check) for check in outcome.checks]
        print(json.dumps({"bench": self.name, "machine": machine, "results": outcome.results, "checks": checks}))
