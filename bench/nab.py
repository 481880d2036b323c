"""What a streaming detector of novelty finds in the Numenta Anomaly Benchmark, with one configuration for all files.

First the scorer has to give back the published scores of three detectors. Then ours is scored on all files; and on two
halves by themselves, because the figure for all of them is not that of files which nobody has seen: NAB fits the
threshold to what it scores, and the detector was developed on the half that is named so. The other half was looked at
six times before the choice, and decided nothing. The last line is what the threshold of the first is worth on it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy

from activities.predictor.novelty import NoveltyDetector
from bench.nab_published import PUBLISHED
from bench.nab_scorer import FloatArray, Profile, ProfileScore, Scorer, SeriesFile, load_benchmark, load_profiles
from bench.result import Benchmark, Check, Outcome, Progress, at_least, at_most

LIMITS = {"standard": 62.0, "reward_low_FP_rate": 50.0, "reward_low_FN_rate": 67.0}
EXACTLY = 1e-6
"""As near as a published score has to come."""


async def measure(arguments: argparse.Namespace, _folder: Path, progress: Progress) -> Outcome:
    files, profiles = load_benchmark(arguments.data), load_profiles(arguments.data)
    differences = _published(arguments.data, files, profiles, progress)
    checks = [at_most(f"{name}: off its published score by", worst, EXACTLY) for name, worst in differences.items()]
    scores, micros = _ours(files, progress)
    halves = {
        "developed on": [series for series in files if _developed_on(series.name)],
        "held out": [series for series in files if not _developed_on(series.name)],
    }
    found = Scorer(files, profiles).score(scores)
    parts = {name: Scorer(half, profiles).score(scores) for name, half in halves.items()}
    elsewhere = {name: score.threshold for name, score in parts["developed on"].items()}
    moved = Scorer(halves["held out"], profiles).score_at(scores, elsewhere)
    checks += [at_least(f"{name}", found[name].score, limit) for name, limit in LIMITS.items()]
    results: dict[str, Any] = {
        "off published scores": differences,
        "all files": _shown(found),
        **{name: _shown(part) for name, part in parts.items()},
        "held out, at the thresholds of the others": _shown(moved),
        "microseconds a sample": {
            "p50": round(float(numpy.median(micros)), 1),
            "p99": round(float(numpy.percentile(micros, 99)), 1),
        },
    }
    return Outcome(results, tuple[Check, ...](checks))


def _published(
    folder: Path, files: Sequence[SeriesFile], profiles: Sequence[Profile], progress: Progress
) -> dict[str, float]:
    """By how much each published score is missed at most."""
    published = json.loads((folder / "results" / "final_results.json").read_text())
    scorer, worst = Scorer(files, profiles), dict[str, float]()
    for name, detector in PUBLISHED.items():
        progress(f"{name}, whose scores are published", now=True)
        found = scorer.score({series.name: detector(series) for series in files})
        worst[name] = max(abs(one.score - published[name][profile]) for profile, one in found.items())
    return worst


def _ours(files: Sequence[SeriesFile], progress: Progress) -> tuple[dict[str, FloatArray], FloatArray]:
    """Scores by file, and the microseconds that each sample took."""
    scores: dict[str, FloatArray] = {}
    micros: list[float] = []
    for series in files:
        progress(series.name)
        detector, found = NoveltyDetector(), list[float]()
        for seconds, value in zip(_seconds(series), series.values.tolist(), strict=True):
            began = time.perf_counter_ns()
            found.append(detector.observe(seconds, value))
            micros.append((time.perf_counter_ns() - began) / 1000)
        scores[series.name] = numpy.array(found)
    return scores, numpy.array(micros)


def _seconds(series: SeriesFile) -> list[float]:
    """When each sample was. Where a file steps back in time, as a clock that is set, time stands still."""
    seconds: list[float] = []
    for text in series.timestamps:
        at = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
        seconds.append(max(at, seconds[-1]) if seconds else at)
    return seconds


def _developed_on(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 0


def _shown(found: Mapping[str, ProfileScore]) -> dict[str, dict[str, Any]]:
    return {name: asdict(score) for name, score in found.items()}


def options(parser: argparse.ArgumentParser) -> None:
    data = "a copy of NAB with its data, labels, config and results (default: %(default)s)"
    parser.add_argument("--data", type=Path, default=Path("../shared/data/nab"), help=data)


if __name__ == "__main__":
    Benchmark("nab", __doc__ or "", measure, options).main()
