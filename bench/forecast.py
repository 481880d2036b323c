"""How far forecasters are from what came, beside the same row of the day before: on public series of servers.

Every series of the Numenta Anomaly Benchmark that was really measured, and three metrics of each machine of the Server
Machine Dataset; the next hour (two rows at least) from 24 moments in the later half. What is chosen for a series, is
chosen on what lay before the first of them, and its intervals are learned there. All with one configuration. Half of
the series, which the results name so, were looked at when the forecasters were made.

The forecasters of the runtime are measured on all in a minute or two; those that are fitted offline take seconds a
forecast, so that they are asked for by name, and a few series will do.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from activities.predictor.forecasting.comparing import choose
from activities.predictor.forecasting.conformal import AdaptiveIntervals
from activities.predictor.forecasting.fourier import FourierRidge
from activities.predictor.forecasting.mstl import Mstl
from activities.predictor.forecasting.naive import LastValue, SeasonalNaive
from activities.predictor.forecasting.prophet import Prophet
from activities.predictor.forecasting.series import Forecaster, RegularSeries, SeriesRefused
from bench.result import Benchmark, Check, Outcome, Progress, at_least, at_most, below

Array = NDArray[numpy.float64]
BASELINE, CHOSEN = "seasonal naive", "chosen"
OFFLINE: dict[str, Forecaster] = {"mstl": Mstl(), "prophet": Prophet()}
COVERAGE = 0.9
ORIGINS = 24
METRICS = 3
"""Of a machine: the first that take many values."""
DAY_SECONDS = 86_400


@dataclass
class Found:
    """Of one forecaster on one set of series."""

    ratios: list[float] = field(default_factory=list[float])
    """Its error in units of the baseline's, by series."""
    millis: list[float] = field(default_factory=list[float])


async def measure(arguments: argparse.Namespace, _folder: Path, progress: Progress) -> Outcome:
    candidates = [FourierRidge(), LastValue(), *(OFFLINE[name] for name in arguments.also)]
    results: dict[str, Any] = {}
    checks: list[Check] = []
    for name, read in {"nab": numenta, "smd": machines}.items():
        groups = {"developed on": list[RegularSeries](), "held out": list[RegularSeries]()}
        for series in read(arguments.data):
            groups["held out" if _held_out(series.name) else "developed on"].append(series)
        for part, series in groups.items():
            group = series[: arguments.series]
            found, held = _compare(group, candidates, progress)
            results[f"{name}, {part}"] = {"series": len(group), **_shown(found), "coverage": _coverage(held)}
            checks.append(below(f"{name}, {part}: fourier ridge / baseline", _typical(found["fourier ridge"]), 1.0))
            checks.append(at_most(f"{name}, {part}: chosen / baseline", _typical(found[CHOSEN]), 1.0))
            checks.append(at_least(f"{name}, {part}: coverage of 90% intervals", _coverage(held)["mean"], 0.85))
    return Outcome(results, tuple(checks))


def _compare(
    group: Sequence[RegularSeries], candidates: Sequence[Forecaster], progress: Progress
) -> tuple[dict[str, Found], list[float]]:
    """By forecaster; and which share of outcomes the intervals of the chosen one held, by series."""
    found = {name: Found() for name in (BASELINE, *(candidate.name for candidate in candidates), CHOSEN)}
    held: list[float] = []
    for series in group:
        progress(series.name)
        rows = max(2, 3600 // series.interval_s)
        places = numpy.linspace(len(series) // 2, len(series) - rows, ORIGINS).astype(int).tolist()
        errors = {BASELINE: _errors(series, SeasonalNaive(), places, rows, found[BASELINE])}
        usual = float(numpy.abs(errors[BASELINE]).mean())
        for candidate in candidates:
            try:
                errors[candidate.name] = _errors(series, candidate, places, rows, found[candidate.name])
            except SeriesRefused:
                errors[candidate.name] = errors[BASELINE]
        chosen = choose(series.until(places[0]), candidates, rows)
        errors[CHOSEN] = errors[chosen.forecaster.name]
        for name, missed in errors.items():
            error = float(numpy.abs(missed).mean())
            found[name].ratios.append(error / usual if usual > 0.0 else 1.0)
        held.append(_covered(chosen.errors, errors[CHOSEN]))
    return found, held


def _errors(series: RegularSeries, forecaster: Forecaster, places: Sequence[int], rows: int, found: Found) -> Array:
    missed: list[Array] = []
    for place in places:
        past = series.until(place)
        began = time.perf_counter()
        forecast = forecaster.forecast(past, rows)
        found.millis.append((time.perf_counter() - began) * 1e3)
        missed.append(series.values[place : place + rows] - forecast)
    return numpy.stack(missed)


def _covered(before: Array, errors: Array) -> float:
    """Share of *errors* within intervals that knew those *before* each."""
    intervals = AdaptiveIntervals(errors.shape[1], COVERAGE)
    for earlier in before:
        intervals.observe(earlier)
    hits: list[float] = []
    for missed in errors:
        hits.append(float((numpy.abs(missed) <= intervals.around(numpy.zeros(len(missed))).upper).mean()))
        intervals.observe(missed)
    return float(numpy.mean(hits))


def _typical(found: Found) -> float:
    """Geometric mean of the ratios: twice as good here and half as good there is no gain."""
    return float(numpy.exp(numpy.log(numpy.maximum(found.ratios, 1e-3)).mean()))


def _shown(found: dict[str, Found]) -> dict[str, Any]:
    return {
        name: {
            "error / baseline": round(_typical(one), 3),
            "better than the baseline": round(float((numpy.array(one.ratios) < 1.0).mean()), 2),
            **({"milliseconds": round(float(numpy.median(one.millis)), 2)} if one.millis else {}),
        }
        for name, one in found.items()
    }


def _coverage(held: list[float]) -> dict[str, float]:
    return {"mean": round(float(numpy.mean(held)), 3), "lowest": round(min(held), 3)}


def _held_out(name: str) -> bool:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2 == 1


def numenta(folder: Path) -> Iterator[RegularSeries]:
    """Brought on a regular grid: each row is the latest sample until then."""
    for path in sorted((folder / "nab" / "data").glob("real*/*.csv")):
        with path.open(newline="") as lines:
            samples = sorted(
                (datetime.fromisoformat(line["timestamp"]).timestamp(), float(line["value"]))
                for line in csv.DictReader(lines)
            )
        seconds: Array = numpy.array([second for second, _ in samples])
        values: Array = numpy.array([value for _, value in samples])
        interval = int(numpy.median(numpy.diff(seconds)))
        grid: Array = numpy.arange(float(seconds[0]), float(seconds[-1]) + 1, interval)
        regular = values[numpy.searchsorted(seconds, grid, side="right") - 1]
        yield RegularSeries(path.name, regular, interval, DAY_SECONDS // interval)


def machines(folder: Path) -> Iterator[RegularSeries]:
    for path in sorted((folder / "smd").glob("*.npz")):
        with numpy.load(path) as content:
            values, interval = content["train"].astype(float), int(content["interval_s"])
        varied = [column for column in values.T if len(numpy.unique(column)) > 500]
        for number, column in enumerate(varied[:METRICS]):
            yield RegularSeries(f"{path.name}/{number}", column, interval, DAY_SECONDS // interval)


def options(parser: argparse.ArgumentParser) -> None:
    data = "folder with nab and smd (default: %(default)s)"
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help=data)
    parser.add_argument("--also", nargs="*", choices=OFFLINE, default=[], help="forecasters beside that of the runtime")
    parser.add_argument("--series", type=int, help="at most so many of each set (default: all)")


if __name__ == "__main__":
    Benchmark("forecast", __doc__ or "", measure, options).main()
