"""How often the comparative verdict is wrong, and how soon it is right, beside two judges that are in common use.

Runs of an hour in 15 s windows, errors and slow requests, the target beside a baseline; an hour before of its own for
the overdispersion. The other judges see the errors of the very same windows: Mann-Whitney, looked at each minute, and
"more than twice the baseline, fourth breach". Everything is measured with each seed by itself, and the worst counts.

The runs are judged by the engine's arithmetic on arrays; of each case some runs go through the engine itself, and must
come to the same window.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from scipy.stats import beta  # pyright: ignore[reportMissingTypeStubs] -- scipy has no types

from activities.analytics.overdispersion import Tally, among
from activities.analytics.verdict import ALPHA
from bench import verdict_cases as cases
from bench.result import Benchmark, Check, Outcome, Progress, at_least, at_most, percentile
from bench.verdict_cases import Case
from bench.verdict_engine import LEAST_REQUESTS, judged_by_the_engine
from bench.verdict_judges import NEVER, Firsts, Floats, better, fixed_threshold, harmful, mann_whitney
from bench.verdict_traffic import WINDOW, Counts, Traffic, traffic

RUNS = 2000
SEEDS = (1, 2)
BY_THE_ENGINE = 20
"""Runs of each case and seed."""

LIMITS = {"errors x2": 45.0, "errors x1.5": 150.0}
"""Seconds at the median."""


async def measure(arguments: argparse.Namespace, folder: Path, progress: Progress) -> Outcome:
    kinds = {
        "equal": cases.EQUAL,
        "equal_and_bursty": cases.BURSTY,
        "equal_and_too_bursty": cases.TOO_BURSTY,
        "worse": cases.WORSE,
        "better": cases.BETTER,
    }
    results: dict[str, Any] = {"alpha": ALPHA, "runs": arguments.runs, "seeds": arguments.seeds}
    differing = 0
    for kind, of_kind in kinds.items():
        results[kind] = {}
        for case in of_kind:
            rows: dict[str, Any] = {}
            for seed in arguments.seeds:
                progress(f"{kind}: {case.name}, seed {seed}", now=True)
                rows[f"seed {seed}"], wrong = _measure(case, arguments.runs, seed)
                differing += wrong
            results[kind][case.name] = rows
    return Outcome(results, (*_checks(results), at_most("runs that the engine judges otherwise", differing, 0)))


def _measure(case: Case, runs: int, seed: int) -> tuple[dict[str, Any], int]:
    """The figures, and how many of the engine's runs differ."""
    rng = np.random.default_rng([seed, *case.name.encode()])
    made = traffic(case.service, case.scatter, case.target, case.baseline, runs, rng)
    by = divisors(made, case.history)
    undivided = (np.ones(runs), np.ones(runs))
    harm = harmful(made.target, made.baseline, by, LEAST_REQUESTS)
    improvement = better(made.target, made.baseline, by, LEAST_REQUESTS)
    figures = {
        "overdispersion": round(float(np.median(by[0])), 2),
        "worse": _figures(harm),
        "better": _figures(improvement),
        "worse_undivided": _figures(harmful(made.target, made.baseline, undivided, LEAST_REQUESTS)),
        "worse_by_mann_whitney": _figures(mann_whitney(made.target, made.baseline)),
        "worse_by_fixed_threshold": _figures(fixed_threshold(made.target, made.baseline)),
    }
    wrong = sum(
        judged_by_the_engine(made, run, case.history) != (harm[run], improvement[run])
        for run in range(min(runs, BY_THE_ENGINE))
    )
    return figures, wrong


def divisors(made: Traffic, history: bool) -> tuple[Floats, Floats]:
    """φ of errors and of slow requests for each run, as the engine takes it from the history, or from none."""
    before = made.history
    return _among(before.errors, before.requests, history), _among(before.slow, before.requests, history)


def _among(bad: Counts, requests: Counts, history: bool) -> Floats:
    if not history:
        return np.full(len(requests), among({}).factor)
    runs = zip(bad.tolist(), requests.tolist(), strict=True)
    return np.array([among({"v1": [Tally(*pair) for pair in zip(*run, strict=True)]}).factor for run in runs])


def _figures(firsts: Firsts) -> dict[str, Any]:
    """In how many runs a judge spoke, with the 95% interval, and after how many seconds.

    The time is the median of all runs; one in which the judge never spoke is longer than any.
    """
    runs, spoke = len(firsts), int(np.count_nonzero(firsts != NEVER))
    seconds = [float(first) * WINDOW if first != NEVER else math.inf for first in firsts]
    return {
        "runs": spoke,
        "share": spoke / runs,
        "interval": [round(end, 5) for end in clopper_pearson(spoke, runs)],
        "median_s": _finite(percentile(seconds, 0.5)),
        "p90_s": _finite(percentile(seconds, 0.9)),
    }


def clopper_pearson(found: int, runs: int) -> tuple[float, float]:
    """The exact 95% interval of a share."""
    quantile = cast("Any", beta).ppf  # scipy has no types
    low = float(quantile(0.025, found, runs - found + 1)) if found else 0.0
    high = float(quantile(0.975, found + 1, runs - found)) if found < runs else 1.0
    return low, high


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _checks(results: dict[str, Any]) -> Sequence[Check]:
    checks: list[Check] = [at_least("runs of each case and seed", results["runs"], RUNS)]
    for kind in ("equal", "equal_and_bursty"):
        for name, rows in results[kind].items():
            for found in ("worse", "better"):
                worst = max(row[found]["interval"][1] for row in rows.values())
                checks.append(at_most(f"A/A, {name}: falsely {found}, upper end", worst, ALPHA))
    for name, limit in LIMITS.items():
        rows = results["worse"][name].values()
        slowest = max(row["worse"]["median_s"] or math.inf for row in rows)
        checks.append(at_most(f"{name}: median in s", slowest, limit))
    return checks


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=RUNS, help=f"hours of each case and seed (default: {RUNS})")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), help="each is measured by itself")


if __name__ == "__main__":
    Benchmark(
        "verdict", "False alarms of the comparative verdict, and its time to a true one.", measure, _options
    ).main()
