"""A streaming detector of novelty: only backwards in time, whatever the units, and never on what is no number."""

from __future__ import annotations

import numpy
import pytest

from activities.predictor.novelty import NoveltyDetector, RestRule, SampleRefused, SlidingSpread


def scores(values: numpy.ndarray, interval: float = 300.0) -> numpy.ndarray:
    detector = NoveltyDetector()
    return numpy.array([detector.observe(interval * i, float(v)) for i, v in enumerate(values)])


def series(seed: int, rows: int = 1500) -> numpy.ndarray:
    generator = numpy.random.default_rng(seed)
    return 50 + 10 * numpy.sin(numpy.arange(rows) * 2 * numpy.pi / 288) + generator.normal(0, 1, rows)


@pytest.mark.parametrize("seed", range(5))
def test_changing_the_future_changes_no_score(seed: int) -> None:
    values = series(seed)
    cut = int(numpy.random.default_rng(seed).integers(200, 1400))
    changed = values.copy()
    changed[cut:] = numpy.random.default_rng(99).normal(0, 1e6, len(values) - cut)
    assert numpy.array_equal(scores(values)[:cut], scores(changed)[:cut])


@pytest.mark.parametrize(("factor", "offset"), [(1000.0, 0.0), (0.001, 0.0), (1.0, 500.0), (-2.0, 7.0)])
def test_units_do_not_matter(factor: float, offset: float) -> None:
    values = series(1)
    values[900] = 120.0
    plain, other = scores(values), scores(values * factor + offset)
    assert numpy.allclose(plain, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e12])
def test_constant_series_never_alarms_and_its_first_change_does(value: float) -> None:
    values = numpy.full(1000, value)
    assert not scores(values).any()
    values[800:] = value + abs(value) * 0.01 + 0.01
    found = scores(values)
    assert found[800] == pytest.approx(20.0) and not found[:800].any()


def test_constant_plus_rounding_noise_never_alarms() -> None:
    values = numpy.array([sum([0.1] * (i % 7 + 1)) / (i % 7 + 1) for i in range(1000)])
    assert not scores(values).any()


def test_spike_missing_peak_and_silence_are_found() -> None:
    base = series(2, 3000)
    spike = base.copy()
    spike[2000] = 90.0
    silent = base.copy()
    silent[2000:2100] = silent[1999]
    missing = numpy.where((numpy.arange(3000) % 288 < 60), 80.0, 20.0)
    missing[2016:2304] = 20.0
    assert scores(spike)[2000] > 1.66
    assert scores(silent)[2000:2100].max() > 1.0
    assert scores(missing)[2016:2304].max() > 1.66


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_none_are_refused(bad: float) -> None:
    detector = NoveltyDetector()
    detector.observe(0.0, 1.0)
    with pytest.raises(SampleRefused):
        detector.observe(300.0, bad)
    with pytest.raises(SampleRefused):
        detector.observe(-300.0, 1.0)


def test_rest_rule_is_the_plain_definition() -> None:
    generator = numpy.random.default_rng(3)
    given = numpy.where(generator.random(2000) < 0.1, generator.exponential(2.0, 2000), 0.0)
    rule = RestRule(50, 1.5)
    passed: list[float] = []
    for row, score in enumerate(given):
        recent = max(passed[max(0, row - 50) : row], default=0.0)
        expected = score if score > 1.5 * recent else 0.0
        assert rule.observe(float(score)) == expected
        passed.append(expected)


def test_sliding_spread_is_that_of_numpy_even_on_a_high_offset() -> None:
    values = numpy.random.default_rng(4).normal(1e6, 1.0, 5000)
    spread = SlidingSpread(64)
    for row, value in enumerate(values):
        expected = float(numpy.std(values[max(0, row - 63) : row + 1]))
        assert spread.observe(float(value)) == pytest.approx(expected, rel=1e-6, abs=1e-6)
