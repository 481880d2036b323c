"""What one event costs in the predictor: a sample through scale, detectors, features, members, calibration, decision.

A model of the real configuration learns here from made-up services of ten metrics. Every event of *one event* is a new
row, so that nothing comes from the cache, which is measured apart. Beside it, in turns with it: the same members as
their libraries have them, on features of a window that pandas computes anew for each event, with scikit-learn's
detectors; and the floor, which is onnxruntime with one of the boosted models and nothing else.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy
import pandas  # pyright: ignore[reportMissingTypeStubs] -- it comes without types
from numpy.typing import NDArray
from sklearn import ensemble, svm  # pyright: ignore[reportMissingTypeStubs] -- it comes without types

from activities.predictor.detectors.fitting import FOREST_ROWS, FOREST_TREES, SVM_OUTLIERS, SVM_ROWS
from activities.predictor.detectors.scale import Scale
from activities.predictor.inference import Inference
from activities.predictor.layout import Layout
from activities.predictor.learning.bundling import bundled
from activities.predictor.learning.deciding import Costs
from activities.predictor.learning.episodes import Group, Series, Split
from activities.predictor.learning.export import export
from activities.predictor.learning.members import Kind
from activities.predictor.learning.training import Forecast, Trained, train
from activities.predictor.serving.answers import Abstention, Answer, Samples
from activities.predictor.serving.bundle import Bundle, read
from activities.predictor.serving.predictor import Predictor
from bench.result import Benchmark, Outcome, Progress, at_least, at_most, percentile
from workers.memory import settle

P50_MS, P99_MS = 1.0, 5.0
LAYOUT = Layout(metrics=tuple(f"metric-{i}" for i in range(10)), interval_s=300, horizon=12, period=288, merge=12)
DAYS, SERVICES = 10, 4
WINDOW = 240
"""Rows that pandas looks at."""
EVENTS, ROUND = 4_000, 200
"""Events measured, and how many of them before it is the turn of the others."""
NAIVE = 10
"""Events of the naive way in its turn: it is slow, and few are enough to see that."""
FLEET, FLEET_ROWS = 1_000, 20


def service(number: int) -> Series:
    """Noise by the day, and incidents at most once a day with an hour in which all metrics rise before."""
    generator = numpy.random.default_rng(number)
    rows = DAYS * LAYOUT.period
    day = numpy.sin(numpy.arange(rows) * 2 * numpy.pi / LAYOUT.period)[:, None]
    values = generator.normal(size=(rows, len(LAYOUT.metrics))) + day
    active = numpy.zeros(rows, dtype=numpy.bool_)
    for midnight in range(0, rows, LAYOUT.period):
        start = midnight + int(generator.integers(LAYOUT.horizon, LAYOUT.period - LAYOUT.horizon))
        active[start : start + LAYOUT.horizon // 2] = True
        values[start - LAYOUT.horizon : start] += numpy.linspace(0, 4, LAYOUT.horizon)[:, None]
    observed = numpy.ones(rows, dtype=numpy.bool_)
    return Series(f"service-{number}", values.astype(numpy.float32), observed, active, labelled_from=0)


@dataclass(frozen=True)
class Naive:
    """The way without any of it: the last WINDOW rows as a data frame, and models as their libraries have them."""

    trained: Trained
    forecast: Forecast
    scale: Scale
    detectors: tuple[Any, ...]

    @staticmethod
    def of(trained: Trained, forecast: Forecast, series: Series) -> Naive:
        """With scikit-learn's detectors, of the sizes that the served ones have."""
        scale = trained.references.entities[0].scale
        rows = scale(series.values)
        forest = cast(Any, ensemble).IsolationForest(n_estimators=FOREST_TREES, max_samples=FOREST_ROWS)
        machine = cast(Any, svm).OneClassSVM(nu=SVM_OUTLIERS)
        return Naive(trained, forecast, scale, (forest.fit(rows), machine.fit(rows[:SVM_ROWS])))

    def answer(self, rows: NDArray[numpy.float64]) -> float:
        """From the last rows ``[WINDOW, M]``."""
        scaled = self.scale(rows)
        scores = [float(detector.score_samples(scaled[-1:])[0]) for detector in self.detectors]
        found = numpy.append(self._features(scaled), scores)
        # Its columns are other ones; what the members cost does not depend on that.
        features = numpy.resize(found, (1, len(self.trained.features))).astype(numpy.float32)
        odds = self.forecast.odds(features)
        return float(self.forecast.probability(odds, numpy.zeros(1, dtype=numpy.bool_))[0])

    @staticmethod
    def _features(scaled: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
        frame = cast(Any, pandas).DataFrame(scaled)
        recent = frame.tail(LAYOUT.horizon)
        columns = [frame.iloc[-1], frame.mean(), frame.std(), frame.min(), frame.max(), frame.median(), frame.skew()]
        columns += [
            frame.quantile(0.05),
            frame.quantile(0.95),
            frame.diff().mean(),
            frame.ewm(halflife=12).mean().iloc[-1],
        ]
        columns += [recent.mean(), recent.std(), recent.mean() - frame.mean(), frame.corr().mean()]
        return numpy.concatenate([numpy.asarray(column, dtype=numpy.float64) for column in columns])


class Stream:
    """Rows for ever, as they come to a predictor that serves *entities*."""

    def __init__(self, bundle: Bundle, entities: Sequence[str]) -> None:
        self.predictor = Predictor(bundle, entities)
        self._entities = entities
        self._generator = numpy.random.default_rng(0)
        self._row = 0
        self._observed = numpy.ones(len(entities), dtype=numpy.bool_)
        self._active = numpy.zeros(len(entities), dtype=numpy.bool_)

    def next(self) -> Samples:
        """The row after."""
        self._row += 1
        values = self._generator.normal(size=(len(self._entities), len(LAYOUT.metrics)))
        return Samples(self._entities, self._row, values, self._observed, self._active)

    def event(self, samples: Samples) -> tuple[Answer, ...]:
        """All that is done for one row."""
        self.predictor.observe(samples)
        return self.predictor.predict(samples.entities, samples.row)

    def warm(self, rows: int) -> None:
        """Enough history to speak, and *rows* more."""
        said: tuple[Answer, ...] = ()
        for _ in range(LAYOUT.period + rows):
            said = self.event(self.next())
        for answer in said:
            if isinstance(answer, Abstention):
                raise nothing_to_measure(answer.reason)


def nothing_to_measure(reason: str) -> SystemExit:
    """After saying why."""
    print(f"the model says nothing, so that there is nothing to measure: {reason}", file=sys.stderr)
    return SystemExit(2)


def milliseconds(call: Callable[[], object]) -> float:
    """Of one call, by the clock on the wall."""
    began = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - began) / 1e6


def one_event(stream: Stream, naive: Naive, floor: Inference, progress: Progress) -> dict[str, list[float]]:
    """Milliseconds of each way, in turns, so that what disturbs one disturbs all.

    A busy machine shows in the time on the wall and hardly in that of the processor.
    """
    took: dict[str, list[float]] = {
        name: [] for name in ("one event", "its processor time", "cache hit", "naive", "floor")
    }
    history = numpy.random.default_rng(1).normal(size=(WINDOW, len(LAYOUT.metrics)))
    row = stream.predictor.features("service-0")[None]
    while len(took["one event"]) < EVENTS:
        progress(f"one event: {len(took['one event']):,} of {EVENTS:,}")
        for _ in range(ROUND):
            samples = stream.next()
            processor = time.thread_time_ns()
            took["one event"].append(milliseconds(partial(stream.event, samples)))
            took["its processor time"].append((time.thread_time_ns() - processor) / 1e6)
            took["cache hit"].append(milliseconds(partial(stream.predictor.predict, samples.entities, samples.row)))
        took["floor"] += [milliseconds(partial(floor, row)) for _ in range(ROUND)]
        took["naive"] += [milliseconds(partial(naive.answer, history)) for _ in range(NAIVE)]
    return took


def fleet(bundle: Bundle, progress: Progress) -> list[float]:
    """Milliseconds of a row of FLEET entities in one batch."""
    names = tuple(f"service-{number}" for number in range(FLEET))
    place = numpy.arange(FLEET + 1) % len(bundle.manifest.entities)
    large = Bundle(
        bundle.manifest.model_copy(update={"entities": names, "fallen_back": (), "silent": {}}),
        bundle.detectors,
        bundle.members,
        Scale(bundle.scale.centre[place], bundle.scale.width[place]),
        bundle.reference[place],
        bundle.levels,
    )
    progress(f"warming {FLEET:,} entities", now=True)
    stream = Stream(large, names)
    stream.warm(2)
    settle()
    batches = [stream.next() for _ in range(FLEET_ROWS)]
    return [milliseconds(partial(stream.event, samples)) for samples in batches]


async def measure(_arguments: argparse.Namespace, _folder: Path, progress: Progress) -> Outcome:
    progress("learning from made-up services, about half a minute", now=True)
    series = tuple(service(number) for number in range(SERVICES))
    trained = train(Group("made-up", LAYOUT, series), Costs(), Split(), progress)
    forecast = trained.forecast
    if forecast is None or trained.abstains:
        raise nothing_to_measure("; ".join(trained.abstains))
    content = bundled(trained, datetime(2026, 1, 1, tzinfo=UTC))
    bundle = read(content)
    speaking = replace(bundle, manifest=bundle.manifest.model_copy(update={"silent": {}, "fallen_back": ()}))
    xgboost = next(member for member in reversed(forecast.members) if member.kind is Kind.XGBOOST)
    alone = replace(xgboost, models=xgboost.models[:1], kept=xgboost.kept[:1])
    floor = Inference(export([alone], len(trained.features)), numpy.float32)
    stream = Stream(speaking, ["service-0"])
    stream.warm(ROUND)
    settle()
    stream.predictor.cache.hits = stream.predictor.cache.misses = 0
    took = one_event(stream, Naive.of(trained, forecast, series[0]), floor, progress)
    cache = stream.predictor.cache
    batch = fleet(bundle, progress)
    results = {name: {"p50 ms": _ms(values, 0.5), "p99 ms": _ms(values, 0.99)} for name, values in took.items()}
    results["batch of 1,000"] = {"p50 ms": _ms(batch, 0.5), "p99 ms": _ms(batch, 0.99)}
    results["model"] = {
        "features": len(trained.features),
        "members": len(forecast.members),
        "models": sum(len(member.models) for member in forecast.members),
        "bundle bytes": len(content),
    }
    event = took["one event"]
    checks = (
        at_most("one event, p50 in ms", percentile(event, 0.5), P50_MS),
        at_most("one event, p99 in ms", percentile(event, 0.99), P99_MS),
        at_least("events that the cache did not answer", cache.misses, len(event)),
        at_least(
            "times that naive takes of one event, p50", percentile(took["naive"], 0.5) / percentile(event, 0.5), 1
        ),
    )
    return Outcome({**results, "events": len(event)}, checks)


def _ms(values: Sequence[float], share: float) -> float:
    return round(percentile(values, share), 4)


def options(_parser: argparse.ArgumentParser) -> None:
    """None."""


if __name__ == "__main__":
    Benchmark("predict_latency", __doc__ or "", measure, options).main()
