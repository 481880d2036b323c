"""Detectors: what is served scores like what was fitted, and a rank means the same for every entity."""

from __future__ import annotations

from collections.abc import Callable

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.ensemble import IsolationForest
from sklearn.svm import OneClassSVM

from activities.predictor.detectors import fitting
from activities.predictor.detectors.scale import FARTHEST, LINEAR, ReferenceRefused, Scale
from activities.predictor.detectors.scoring import BEYOND, NAMES, STEP, Detectors, reference_of
from activities.predictor.inference import GraphRefused

METRICS = 4


def reference(metrics: int = METRICS, rows: int = 400, seed: int = 1) -> numpy.ndarray:
    """Metrics that move together, in different units."""
    generator = numpy.random.default_rng(seed)
    load = generator.normal(size=(rows, 1))
    units = 10.0 ** numpy.arange(metrics)
    return 50 + units * (load + 0.2 * generator.normal(size=(rows, metrics)))


@pytest.fixture(scope="module")
def scaled() -> numpy.ndarray:
    rows = reference()
    return Scale.of(rows)(rows)


@pytest.fixture(scope="module")
def detectors(scaled: numpy.ndarray) -> Detectors:
    return Detectors(fitting.fit([scaled]))


@pytest.fixture(scope="module")
def strange() -> numpy.ndarray:
    """Rows that go far beyond what was seen too."""
    return numpy.random.default_rng(3).uniform(-FARTHEST, FARTHEST, (300, METRICS))


def column(scores: numpy.ndarray, name: str) -> numpy.ndarray:
    return scores[:, NAMES.index(name)]


def test_isolation_forest_of_one_operator_scores_like_that_of_scikit_learn(
    detectors: Detectors, scaled: numpy.ndarray, strange: numpy.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[IsolationForest] = []
    fit: Callable[..., IsolationForest] = IsolationForest.fit

    def remembered(self: IsolationForest, *arguments: object) -> IsolationForest:
        fitted.append(self)
        return fit(self, *arguments)

    monkeypatch.setattr(IsolationForest, "fit", remembered)
    served = Detectors(fitting.fit([scaled])).score(strange)
    assert column(served, "isolation_forest") == pytest.approx(-fitted[0].score_samples(strange), abs=1e-5)


def test_one_class_svm_scores_like_that_of_scikit_learn(
    scaled: numpy.ndarray, strange: numpy.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[OneClassSVM] = []
    fit: Callable[..., OneClassSVM] = OneClassSVM.fit

    def remembered(self: OneClassSVM, *arguments: object) -> OneClassSVM:
        fitted.append(self)
        return fit(self, *arguments)

    monkeypatch.setattr(OneClassSVM, "fit", remembered)
    served = Detectors(fitting.fit([scaled])).score(strange)
    assert column(served, "one_class_svm") == pytest.approx(-fitted[0].decision_function(strange), abs=1e-4)


def test_robust_z_is_the_plain_formula(detectors: Detectors, strange: numpy.ndarray) -> None:
    served = detectors.score(strange)
    assert column(served, "robust_z") == pytest.approx(numpy.log1p(numpy.abs(strange)).mean(axis=1), abs=1e-5)
    assert column(served, "robust_z_max") == pytest.approx(numpy.abs(strange).max(axis=1), abs=1e-5)


def test_metrics_that_part_ways_are_strange_to_those_that_know_they_belong_together(
    detectors: Detectors, scaled: numpy.ndarray
) -> None:
    known = reference_of(detectors.score(scaled))[None]
    together, apart = numpy.full((1, METRICS), 1.0), numpy.array([[1.0, -1.0, 1.0, -1.0]])
    usual = detectors.rank(detectors.score(together), known)
    unusual = detectors.rank(detectors.score(apart), known)
    for name in ("autoencoder", "pca_residual"):
        assert column(usual, name)[0] < 1.5 < 2.5 < column(unusual, name)[0]
    assert column(unusual, "robust_z_max")[0] < 1.5, "no metric is far from its own values"


@pytest.mark.parametrize("metrics", [1, 2, 38])
def test_any_number_of_metrics_is_scored(metrics: int) -> None:
    rows = reference(metrics, rows=300)
    scaled = Scale.of(rows)(rows)
    detectors = Detectors(fitting.fit([scaled]))
    known = reference_of(detectors.score(scaled))[None]
    apart = numpy.where(numpy.arange(metrics) % 2, -FARTHEST, FARTHEST)[None]
    far = detectors.rank(detectors.score(apart), known)
    assert numpy.isfinite(far).all() and (far > 2).all()


def test_constant_metric_is_never_strange_and_does_not_hide_the_others() -> None:
    rows = reference()
    rows[:, 0] = 7.1
    scale = Scale.of(rows)
    assert not scale(rows + 5.0)[:, 0].any()
    detectors = Detectors(fitting.fit([scale(rows)]))
    known = reference_of(detectors.score(scale(rows)))[None]
    moved = rows[:1] * numpy.array([1000.0, 1.0, 1.0, 1.0])
    assert detectors.score(scale(moved)) == pytest.approx(detectors.score(scale(rows[:1])))
    broken = rows[:1] + numpy.array([0.0, 1e4, -1e4, 1e5])
    assert (detectors.rank(detectors.score(scale(broken)), known) > 2).all()


def test_group_that_never_moved_is_scored_and_nothing_is_strange() -> None:
    rows = numpy.full((50, 3), 4.0)
    scaled = Scale.of(rows)(rows)
    detectors = Detectors(fitting.fit([scaled]))
    raw = detectors.score(scaled)
    assert numpy.isfinite(raw).all()
    assert not detectors.rank(raw, reference_of(raw)[None]).any()


@given(
    shift=st.floats(-1e6, 1e6),
    unit=st.sampled_from([1e-3, 1.0, 250.0]),
    rows=arrays.arrays(numpy.float64, (40, 3), elements=st.floats(-100, 100, width=32)),
)
@settings(deadline=None)
def test_scale_takes_units_out_and_stays_within_its_bounds(shift: float, unit: float, rows: numpy.ndarray) -> None:
    scaled = Scale.of(rows)(rows)
    assert numpy.isfinite(scaled).all() and (numpy.abs(scaled) <= FARTHEST).all()
    wide = numpy.ptp(rows, axis=0) > 1.0
    other = rows * unit + shift * unit
    assert Scale.of(other)(other)[:, wide] == pytest.approx(scaled[:, wide], abs=1e-3)


def test_scale_tells_near_values_as_they_are_and_far_ones_apart() -> None:
    scale = Scale(numpy.zeros(1), numpy.full(1, 2.0))
    near, far = numpy.array([[-2 * LINEAR], [0.5], [2 * LINEAR]]), numpy.array([[20.0], [200.0], [2000.0], [1e300]])
    assert scale(near) == pytest.approx(near / 2)
    assert (numpy.diff(scale(far), axis=0) > 0).all()
    assert scale(-far) == pytest.approx(-scale(far))
    assert scale(far)[-1] == FARTHEST


@pytest.mark.parametrize("bad", [numpy.nan, numpy.inf, -numpy.inf])
def test_scale_of_what_is_no_number_is_refused_with_its_place(bad: float) -> None:
    rows = reference()
    rows[17, 2] = bad
    with pytest.raises(ReferenceRefused, match="metric 2 of row 17"):
        Scale.of(rows)


def test_without_rows_nothing_is_fitted() -> None:
    with pytest.raises(ReferenceRefused):
        Scale.of(numpy.empty((0, 3)))
    with pytest.raises(ReferenceRefused):
        fitting.fit([numpy.zeros((1, 3))])


def test_rank_is_the_share_of_reference_rows_at_least_as_strange() -> None:
    raw = numpy.random.default_rng(5).exponential(size=(5000, 1)).astype(numpy.float32).astype(numpy.float64)
    known = reference_of(raw)[None]
    some = numpy.sort(raw[:4950], axis=0)
    share = (raw[None, :, 0] >= some).mean(axis=1)
    assert Detectors.rank(some, known)[:, 0] == pytest.approx(-numpy.log10(share), abs=1.5 * STEP)


def test_rank_keeps_its_order_beyond_the_strangest_row_but_not_without_end() -> None:
    raw = numpy.linspace(0.0, 1.0, 1000)[:, None]
    known = reference_of(raw)[None]
    ranks = Detectors.rank(numpy.array([[1.0], [1.4], [1.9], [1e9]]), known)[:, 0]
    assert (numpy.diff(ranks) > 0).all()
    assert ranks[-1] <= numpy.log10(2001) + BEYOND + STEP


def test_few_rows_support_only_small_ranks() -> None:
    few, many = (numpy.linspace(0, 1, rows)[:, None] for rows in (30, 3000))
    just_above = numpy.array([[1.001]])
    assert Detectors.rank(just_above, reference_of(few)[None])[0, 0] < 2.0
    assert Detectors.rank(just_above, reference_of(many)[None])[0, 0] > 3.0


@given(st.data())
@settings(deadline=None, max_examples=30)
def test_ranks_of_a_batch_are_those_of_each_alone(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 5))
    finite = st.floats(-10, 10, width=32)
    references = data.draw(arrays.arrays(numpy.float64, (count, 30, 2), elements=finite))
    raw = data.draw(arrays.arrays(numpy.float64, (count, 2), elements=finite))
    known = numpy.stack([reference_of(rows) for rows in references])
    together = Detectors.rank(raw, known)
    assert (together >= 0).all()
    for number in range(count):
        assert (together[number] == Detectors.rank(raw[number : number + 1], known[number : number + 1])).all()


def test_batch_scores_like_each_row_alone(detectors: Detectors, strange: numpy.ndarray) -> None:
    alone = numpy.concatenate([detectors.score(row[None]) for row in strange[:50]])
    assert detectors.score(strange[:50]) == pytest.approx(alone, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("graph", [b"", b"no graph", b"\x08\x0a"])
def test_graph_that_is_none_is_refused(graph: bytes) -> None:
    with pytest.raises(GraphRefused):
        Detectors(graph)
