"""The feature bank: each feature against its formula, never ahead of time, and each entity by itself."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from functools import cache
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_features import PLAIN, History, surprise_ranks

from activities.predictor.features.bank import FeatureBank, RowRefused
from activities.predictor.features.definition import Definition
from activities.predictor.features.registry import DEFINITIONS
from activities.predictor.features.rings import LapSums, SmoothMeans
from activities.predictor.features.surprise import SurpriseDetectors
from activities.predictor.layout import Layout, LayoutRefused

DETECTORS = ("isolation_forest", "robust_z", "pca_residual")
LAYOUTS = {
    "days": Layout(("cpu", "memory", "errors"), 60, horizon=6, period=48, merge=5, business=True),
    "hours": Layout(("cpu", "memory"), 60, horizon=2, period=48, merge=3),
    "shortest day": Layout(("cpu", "memory"), 60, horizon=6, period=24, merge=6),
    "no day": Layout(("cpu", "memory", "errors", "queue"), 60, horizon=6, period=0, merge=1, business=True),
    "one metric": Layout(("cpu",), 300, horizon=12, period=96, merge=12),
}


def some_history(layout: Layout, rows: int, seed: int, recorded_from: int = 0) -> History:
    """Drifts, bursts, a metric that is constant for a while, gaps, incidents near and far, unknown worth."""
    generator = numpy.random.default_rng(seed)
    metrics = len(layout.metrics)
    shared = generator.normal(0, 1, (rows, 1))
    scaled = generator.normal(0, 1, (rows, metrics)) + shared * generator.uniform(-1, 2, metrics)
    scaled += numpy.cumsum(generator.normal(0, 0.1, (rows, metrics)), axis=0)
    scaled[generator.random(rows) < 0.04] *= 15
    scaled[rows // 3 : rows // 2, 0] = scaled[rows // 3, 0]
    active = numpy.zeros(rows, dtype=bool)
    for start in generator.integers(recorded_from, rows, max(2, rows // 30)).tolist():
        active[start : start + int(generator.integers(1, 8))] = True
    worth = generator.uniform(0, 1, (rows, 5)) * (500, 40, 900, 0.2, 0.99)
    worth[generator.random((rows, 5)) < 0.1] = numpy.nan
    worth[: rows // 9, 2] = 0
    return History(
        layout,
        numpy.clip(scaled, -20, 20),
        generator.exponential(1.0, (rows, len(DETECTORS))) * generator.choice([1.0, 4.0], (rows, 1), p=[0.9, 0.1]),
        generator.random(rows) < 0.9,
        active,
        7 if layout.period else 0,
        recorded_from,
        worth if layout.business else None,
        (*DETECTORS, "ewma", "cusum", "jump"),
    )


def inputs(rows: list[tuple[History, int]]) -> list[Any]:
    """What a bank is given beside the numbers of the entities."""
    business = [h.business[t] for h, t in rows if h.business is not None]
    return [
        numpy.array([h.scaled[t] for h, t in rows]),
        numpy.array([h.strangeness[t] for h, t in rows]),
        numpy.array([h.observed[t] for h, t in rows]),
        numpy.array([h.active[t] for h, t in rows]),
        numpy.array([h.slot(t) for h, t in rows]),
        numpy.array(business) if business else None,
    ]


def features_of(history: History) -> numpy.ndarray:
    bank = FeatureBank(history.layout, 1, DETECTORS)
    found = []
    for t in range(len(history.scaled)):
        if t == history.recorded_from:
            bank.record_outcomes(numpy.array([0]))
        found.append(bank.observe(numpy.array([0]), *inputs([(history, t)]))[0])
    return numpy.array(found)


@cache
def walked(name: str) -> tuple[History, numpy.ndarray]:
    layout = LAYOUTS[name]
    history = some_history(layout, 9 * min(layout.period, 60) or 300, seed=len(name), recorded_from=layout.period or 0)
    return history, features_of(history)


CASES = [
    pytest.param(name, definition, id=f"{definition.name}, {name}")
    for name, layout in LAYOUTS.items()
    for definition in DEFINITIONS
    if definition.exists_in(layout)
]


@pytest.mark.parametrize(("name", "definition"), CASES)
def test_feature_is_what_its_formula_says(name: str, definition: Definition) -> None:
    history, found = walked(name)
    bank = FeatureBank(history.layout, 1, DETECTORS)
    at = [i for i, column in enumerate(bank.columns) if column.definition is definition]
    rows = [*range(30), *range(30, len(history.scaled), 13)]
    expected = numpy.array([numpy.atleast_1d(PLAIN[definition.name](history, t)) for t in rows])
    numpy.testing.assert_allclose(found[rows][:, at], expected, rtol=1e-4, atol=1e-4)


def test_history_of_the_tests_lets_every_feature_vary() -> None:
    varying = set()
    for name, layout in LAYOUTS.items():
        columns = FeatureBank(layout, 1, DETECTORS).columns
        varying |= {columns[i].definition.name for i in numpy.flatnonzero(numpy.ptp(walked(name)[1], axis=0) > 0)}
    assert {definition.name for definition in DEFINITIONS} - varying == set()


def test_registry_is_complete() -> None:
    names = [definition.name for definition in DEFINITIONS]
    assert len(set(names)) == len(names)
    assert set(names) == set(PLAIN)
    assert len([d for d in DEFINITIONS if d.category != "business"]) >= 50
    assert {d.category for d in DEFINITIONS} == {"time-based", "statistical", "correlation", "seasonal", "business"}
    assert all(definition.unit and definition.formula for definition in DEFINITIONS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_columns_have_unique_names_and_the_category_of_their_definition(name: str) -> None:
    bank = FeatureBank(LAYOUTS[name], 1, DETECTORS)
    assert len(bank.names) == len(set(bank.names)) == len(bank.categories) == walked(name)[1].shape[1]
    assert bank.categories == tuple(column.definition.category for column in bank.columns)
    assert "slope[cpu]" in bank.names and "strangeness_max[jump]" in bank.names


# Time and entities


@given(
    name=st.sampled_from(sorted(LAYOUTS)),
    seed=st.integers(0, 2**32 - 1),
    cut=st.integers(1, 79),
    changed=st.sampled_from(("scaled", "strangeness", "observed", "active", "business")),
)
@settings(max_examples=20, deadline=None)
def test_changing_the_future_changes_no_feature_of_the_past(name: str, seed: int, cut: int, changed: str) -> None:
    layout = LAYOUTS[name]
    history, other = some_history(layout, 80, seed), some_history(layout, 80, seed + 1)
    before = features_of(history)
    future = getattr(history, changed)
    if future is None:
        return
    future[cut:] = getattr(other, changed)[cut:]
    assert numpy.array_equal(before[:cut], features_of(history)[:cut])


@given(
    name=st.sampled_from(sorted(LAYOUTS)),
    seed=st.integers(0, 2**32 - 1),
    calls=st.lists(st.sets(st.integers(0, 4), min_size=1).flatmap(lambda s: st.permutations(sorted(s))), max_size=120),
)
@settings(max_examples=20, deadline=None)
def test_what_shares_a_call_with_an_entity_changes_nothing(name: str, seed: int, calls: list[list[int]]) -> None:
    """Any calls of any of five entities in any order, so that each is at a row of its own."""
    layout = LAYOUTS[name]
    histories = [some_history(layout, len(calls) + 9, seed + i) for i in range(5)]
    together, alone = FeatureBank(layout, 5, DETECTORS), [FeatureBank(layout, 1, DETECTORS) for _ in range(5)]
    rows = [0] * 5
    for which in calls:
        found = together.observe(numpy.array(which), *inputs([(histories[i], rows[i]) for i in which]))
        for i, one in zip(which, found, strict=True):
            assert numpy.array_equal(one, alone[i].observe(numpy.array([0]), *inputs([(histories[i], rows[i])]))[0])
            rows[i] += 1


@pytest.mark.parametrize("name", LAYOUTS)
def test_forgotten_entity_is_as_new_and_others_are_as_they_were(name: str) -> None:
    layout = LAYOUTS[name]
    first, second, after = (some_history(layout, 200, seed) for seed in (1, 2, 3))
    bank = FeatureBank(layout, 2, DETECTORS)
    for t in range(150):
        bank.observe(numpy.array([0, 1]), *inputs([(first, t), (second, t)]))
    bank.record_outcomes(numpy.array([0]))
    bank.forget(numpy.array([0]))
    kept = numpy.array([bank.observe(numpy.array([0, 1]), *inputs([(after, t), (second, 150 + t)])) for t in range(50)])
    assert numpy.array_equal(kept[:, 0], features_of(after)[:50])
    assert numpy.array_equal(kept[:, 1], features_of(second)[150:])


def test_rates_are_of_the_rows_since_outcomes_are_recorded() -> None:
    layout = LAYOUTS["no day"]
    history = some_history(layout, 200, seed=5, recorded_from=100)
    at = FeatureBank(layout, 1, DETECTORS).names.index("incident_rate")
    late = features_of(history)[150, at]
    history.recorded_from = 0
    assert late > features_of(history)[150, at]


@pytest.mark.parametrize("name", LAYOUTS)
def test_call_without_entities_is_answered_with_no_rows(name: str) -> None:
    history = some_history(LAYOUTS[name], 20, seed=1)
    bank = FeatureBank(history.layout, 2, DETECTORS)
    nobody: list[Any] = [None if given is None else given[:0] for given in inputs([(history, 0)])]
    assert bank.observe(numpy.array([], dtype=numpy.intp), *nobody).shape == (0, len(bank.names))


# The bank's own detectors


def ewma_ranks(values: numpy.ndarray, horizon: int = 30) -> numpy.ndarray:
    detectors = SurpriseDetectors(Layout(("cpu",), 60, horizon, 0, 1), 1)
    ranks = [detectors.observe(numpy.array([0]), numpy.array([t]), values[t : t + 1, None]) for t in range(len(values))]
    numpy.testing.assert_allclose(numpy.array(ranks)[:, 0], surprise_ranks(values[:, None], horizon), atol=1e-9)
    return numpy.array(ranks)[:, 0, 0]


def steps(*heights: float) -> numpy.ndarray:
    """Noise of one width; from row 600 on, fifteen rows of each height on top."""
    noise = numpy.random.default_rng(2).normal(0, 1, 600 + 15 * len(heights))
    return noise + numpy.concatenate([numpy.zeros(600), numpy.repeat(heights, 15)])


def test_ewma_alarms_once_and_then_rests() -> None:
    alarms = numpy.flatnonzero(ewma_ranks(steps(7, 7)) > 2.0)
    assert len(alarms) == 1 and 600 < alarms[0] < 615


def test_what_is_clearly_stronger_wakes_ewma() -> None:
    """The second step comes while the rest after the first lasts."""
    ranks = ewma_ranks(steps(7, 18))
    alarms = numpy.flatnonzero(ranks > 2.0)
    assert len(alarms) == 2 and alarms[0] < 615 <= alarms[1] < 630
    assert ranks[alarms[1]] > ranks[alarms[0]] + 0.5


def test_ewma_alarms_again_after_its_rest() -> None:
    alarms = numpy.flatnonzero(ewma_ranks(steps(7, 0, 0, 0, 0, 0, 0, 7)) > 2.0)
    assert len(alarms) == 2 and alarms[1] >= 700


# Numbers


def test_sums_do_not_drift() -> None:
    """100,000 rows that jump between large and small, against plain sums, wherever in its ring a window ends."""
    generator = numpy.random.default_rng(3)
    values = generator.normal(0, 1, (100_000, 4)) * generator.choice([1e-3, 1.0, 400.0], (100_000, 1))
    windows = (1, 5, 30, 120)
    sums, one = LapSums(1, windows, 4), numpy.array([0])
    for t in range(len(values) - 150):
        sums.observe(one, numpy.array([t]), values[t : t + 1])
    for t in range(len(values) - 150, len(values)):
        found = sums.observe(one, numpy.array([t]), values[t : t + 1])[0]
        expected = numpy.array([values[t - window + 1 : t + 1].sum(axis=0) for window in windows])
        numpy.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_slow_means_do_not_drift() -> None:
    values = numpy.random.default_rng(4).normal(300, 1, 100_000)
    means, gain = SmoothMeans(1, 0.01, 1), 0.01
    for t, value in enumerate(values[:-1]):
        means.observe(numpy.array([0]), numpy.array([t]), numpy.array([[value]]))
    found = means.observe(numpy.array([0]), numpy.array([len(values) - 1]), values[-1:, None])
    recent = values[::-1][:5000]
    weight = gain * (1 - gain) ** numpy.arange(5000)
    assert found[0, 0] == pytest.approx(weight @ recent / weight.sum(), abs=1e-9)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("value", [0.0, 20.0, -20.0])
def test_constant_metrics_have_finite_features(name: str, value: float) -> None:
    history = some_history(LAYOUTS[name], 200, seed=1)
    history.scaled[:] = value
    if history.business is not None:
        history.business[:] = numpy.nan
    assert numpy.isfinite(features_of(history)).all()


def test_an_entity_of_ten_metrics_and_a_day_of_minutes_takes_less_than_350_kilobytes() -> None:
    layout = Layout(tuple(f"m{i}" for i in range(10)), 60, horizon=30, period=1440, merge=30)
    tracemalloc.start()
    bank = FeatureBank(layout, 50, ("isolation_forest", "one_class_svm", "autoencoder", "pca", "z", "z_max"))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert bank.names and taken / 50 < 350_000


# Refusals


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"scaled": numpy.full((2, 3), numpy.nan)}, r"entities \[0, 1\] .* not finite"),
        ({"scaled": numpy.array([[0.0, 0, 0], [0, numpy.inf, 0]])}, r"entities \[1\] .* not finite"),
        ({"strangeness": numpy.array([[0.0, numpy.nan, 0], [0, 0, 0]])}, r"entities \[0\] .* not finite"),
        ({"scaled": numpy.zeros((2, 4))}, "must be"),
        ({"strangeness": numpy.zeros((2, 2))}, "must be"),
        ({"business": None}, "give revenue a minute"),
        ({"business": numpy.zeros((2, 4))}, "give revenue a minute"),
        ({"which": numpy.array([1, 1])}, "twice in one call"),
        ({"slot": numpy.array([0, 48])}, "48 rows of a day"),
        ({"slot": numpy.array([-1, 0])}, "48 rows of a day"),
    ],
)
def test_refused_row_says_why_and_changes_nothing(wrong: dict[str, Any], said: str) -> None:
    history = some_history(LAYOUTS["days"], 60, seed=1)
    clean, disturbed = (FeatureBank(history.layout, 2, DETECTORS) for _ in range(2))
    names = ("which", "scaled", "strangeness", "observed", "active", "slot", "business")
    for t in range(40):
        row: dict[str, Any] = dict(
            zip(names, (numpy.array([0, 1]), *inputs([(history, t), (history, t)])), strict=True)
        )
        with pytest.raises(RowRefused, match=said):
            disturbed.observe(**row | wrong)
        assert numpy.array_equal(clean.observe(**row), disturbed.observe(**row))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"metrics": ()}, "name one or more"),
        ({"metrics": ("cpu", "cpu")}, "each once"),
        ({"horizon": 0}, "horizon is 0"),
        ({"merge": 0}, "merge is 0"),
        ({"interval_s": 0}, "interval_s is 0"),
        ({"period": 23}, "at least four horizons"),
        ({"period": -1}, "at least four horizons"),
    ],
)
def test_layout_that_means_nothing_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(LayoutRefused, match=said):
        replace(LAYOUTS["shortest day"], **wrong)
