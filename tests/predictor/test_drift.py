"""A change in the errors or features is found and told; where there is none, hardly anything is."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.predictor.drift import LARGE, Drift, DriftUnknown, ErrorWatch, drifted_features, stability


def errors(seed: int, *phases: tuple[int, float, float]) -> numpy.ndarray:
    """Of outcomes with a true probability against one that is foretold, phase by phase."""
    generator = numpy.random.default_rng(seed)
    return numpy.concatenate([(generator.random(rows) < true) - told for rows, true, told in phases])


def found(stream: numpy.ndarray) -> list[tuple[int, Drift]]:
    watch = ErrorWatch()
    seen = [(row, watch.observe(float(error))) for row, error in enumerate(stream)]
    return [(row, drift) for row, drift in seen if drift is not None]


@pytest.mark.parametrize("probability", [0.02, 0.1, 0.3])
def test_errors_of_probabilities_that_hold_are_hardly_ever_called_a_drift(probability: float) -> None:
    streams = [errors(seed, (2000, probability, probability)) for seed in range(3)]
    assert sum(len(found(stream)) for stream in streams) <= 0.2 * len(streams)


@pytest.mark.parametrize(
    ("before", "after", "delay"), [(0.02, 0.1, 250), (0.02, 0.2, 80), (0.1, 0.3, 120), (0.3, 0.1, 200)]
)
def test_a_change_is_found_within_so_many_outcomes(before: float, after: float, delay: int) -> None:
    delays = []
    for seed in range(7):
        drifts = found(errors(seed, (500, before, before), (400, after, before)))
        delays.append(min((row - 500 for row, _ in drifts if row >= 500), default=10_000))
    assert numpy.median(delays) <= delay


def test_a_drift_says_since_when_and_by_how_much() -> None:
    ((row, drift),) = found(errors(1, (400, 0.1, 0.1), (80, 0.7, 0.1)))
    assert 400 < row < 430
    assert drift.rows == pytest.approx(row - 399, abs=4)
    assert drift.after > 0.4 and abs(drift.before) < 0.05
    assert drift.size == pytest.approx(drift.after - drift.before)
    assert drift.sentence.startswith(
        f"predictions are {drift.after:.1%} too low on the average since {drift.rows} known"
    )


def test_what_was_before_a_change_is_forgotten() -> None:
    watch = ErrorWatch()
    for error in errors(2, (400, 0.1, 0.1), (100, 0.9, 0.1)):
        watch.observe(float(error))
    assert watch.known <= 105


def test_predictions_that_are_right_are_called_so() -> None:
    drift = Drift("predictions", "ADWIN", 0.3, 0.0001, -0.3, 20)
    assert drift.sentence == (
        "predictions are 30.0% too high on the average since 20 known outcomes, and were right before"
    )


@pytest.mark.parametrize("error", [1.01, -1.5, float("nan"), float("inf")])
def test_what_is_no_error_of_a_probability_is_refused_and_changes_nothing(error: float) -> None:
    watch = ErrorWatch()
    watch.observe(0.5)
    with pytest.raises(DriftUnknown, match="is not the error of a probability"):
        watch.observe(error)
    assert watch.known == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1, 1), max_size=120))
def test_a_drift_is_as_large_above_as_below(stream: list[float]) -> None:
    plain, mirrored = found(numpy.array(stream)), found(-numpy.array(stream))
    assert [row for row, _ in plain] == [row for row, _ in mirrored]
    assert [drift.size for _, drift in plain] == [drift.size for _, drift in mirrored]


def quantiles(values: numpy.ndarray) -> numpy.ndarray:
    return numpy.quantile(values, numpy.linspace(0, 1, 101), axis=0)


def test_a_feature_that_moved_is_named_and_the_others_are_not() -> None:
    generator = numpy.random.default_rng(3)
    training = generator.normal(0, 1, (5000, 3))
    training[:, 2] = generator.random(5000) < 0.05
    recent = generator.normal(0, 1, (500, 3))
    recent[:, 1] += 1.5
    recent[:, 2] = generator.random(500) < 0.05
    (drift,) = drifted_features(("level", "error share", "hit"), quantiles(training), recent)
    assert drift.what == "error share" and drift.size > 1.0 and drift.rows == 500
    assert drift.sentence.startswith("error share is spread otherwise than in training: its median is 1.")
    assert stability(quantiles(training), recent)[[0, 2]].max() < 0.1


def test_the_largest_drift_comes_first_and_a_wider_spread_is_one() -> None:
    generator = numpy.random.default_rng(4)
    recent = generator.normal(0, 1, (400, 2)) * [3.0, 1.0] + [0.0, 4.0]
    drifts = drifted_features(("wider", "moved"), quantiles(generator.normal(0, 1, (5000, 2))), recent)
    assert [drift.what for drift in drifts] == ["moved", "wider"]


@pytest.mark.parametrize("memory", [0.0, 0.9, 0.99])
def test_a_feature_that_only_moves_slowly_is_no_drift(memory: float) -> None:
    """Within a day it sees a part of what it was in training; taken for independent rows, that would be a drift."""
    generator = numpy.random.default_rng(6)
    values = numpy.zeros((8000, 60))
    for row in range(1, len(values)):
        fresh = generator.normal(0, (1 - memory**2) ** 0.5, 60)
        values[row] = memory * values[row - 1] + fresh
    names = tuple(f"feature {number}" for number in range(60))
    assert len(drifted_features(names, quantiles(values[500:6500]), values[-500:])) <= 2
    moved = values[-500:] + 6.0
    assert len(drifted_features(names, quantiles(values[500:6500]), moved)) >= 40


def test_a_flag_that_is_set_more_often_is_a_drift() -> None:
    generator = numpy.random.default_rng(5)
    usual = quantiles((generator.random((5000, 1)) < 0.05).astype(float))
    assert stability(usual, (generator.random((500, 1)) < 0.4).astype(float))[0] > LARGE
    assert stability(usual, (generator.random((500, 1)) < 0.06).astype(float))[0] < 0.05


def test_a_constant_feature_is_no_drift_until_it_moves() -> None:
    usual = numpy.full((101, 1), 3.0)
    assert stability(usual, numpy.full((300, 1), 3.0))[0] < 0.01
    assert stability(usual, numpy.full((300, 1), 3.1))[0] > LARGE
    assert stability(usual, numpy.full((300, 1), 2.9))[0] > LARGE


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), factor=st.floats(0.01, 100), offset=st.floats(-100, 100))
def test_units_do_not_matter_and_the_index_is_never_negative(seed: int, factor: float, offset: float) -> None:
    generator = numpy.random.default_rng(seed)
    usual, recent = quantiles(generator.normal(0, 1, (1000, 1))), generator.normal(0.3, 1, (300, 1))
    plain = stability(usual, recent)
    assert plain[0] >= 0.0
    assert stability(usual * factor + offset, recent * factor + offset) == pytest.approx(plain, abs=0.02)


@pytest.mark.parametrize(
    ("reference", "recent", "complaint"),
    [
        (numpy.zeros((101, 2)), numpy.zeros((300, 3)), "both need the same columns"),
        (numpy.zeros((101, 2)), numpy.zeros((199, 2)), "wait for 200 rows"),
        (numpy.zeros((5, 2)), numpy.zeros((300, 2)), "keep 10 quantiles"),
        (numpy.zeros((101, 2)), numpy.full((300, 2), numpy.nan), "not finite"),
    ],
)
def test_what_says_nothing_about_drift_is_refused(
    reference: numpy.ndarray, recent: numpy.ndarray, complaint: str
) -> None:
    with pytest.raises(DriftUnknown, match=complaint):
        stability(reference, recent)
