"""What is told of a prediction is what the model does: exactly where features add up, and like TreeSHAP where not."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.predictor.explanation import Explanation, ExplanationRefused, Score, explain
from activities.predictor.features.definition import Definition
from activities.predictor.features.registry import Column

LEVEL = Definition("level", "statistical", "widths", "short mean of x", "metric")
SLOPE = Definition("slope", "time-based", "widths", "how it moves", "metric")
FAILED = Definition("failed_share", "business", "share", "failed / requests")
HIT = Definition("hit_1d", "seasonal", "0 or 1", "an incident yesterday")
COLUMNS = (Column(LEVEL, "cpu"), Column(LEVEL, "memory"), Column(SLOPE, "cpu"), Column(SLOPE, "memory"))
COLUMNS = (*COLUMNS, Column(FAILED, ""), Column(HIT, ""))
USUAL = numpy.array([0, 0.5, 0, 0, 0.002, 0], dtype=numpy.float32)
WEIGHTS = numpy.array([0.5, -0.2, 1.0, 0.1, 60.0, 0.7])


def additive(rows: numpy.ndarray) -> numpy.ndarray:
    return rows.astype(float) @ WEIGHTS - 4.0


def told(row: list[float], score: Score = additive, strongest: int = 5) -> Explanation:
    return explain(numpy.array(row, dtype=numpy.float32), USUAL, COLUMNS, score, strongest)


def test_the_strongest_comes_first_in_words_and_numbers() -> None:
    found = told([2.0, 0.5, 0.0, 0.9, 0.031, 0.0])
    assert [contribution.sentence for contribution in found.features] == [
        "failed share has risen to 3.1% from a usual 0.2%: +1.7 of the log-odds",
        "level, most of all of cpu, has risen to 2 widths from a usual 0: +1.0 of the log-odds",
        "slope, most of all of memory, has risen to 0.9 widths from a usual 0: +0.1 of the log-odds",
    ]
    assert [contribution.category for contribution in found.features] == ["business", "statistical", "time-based"]


def test_a_feature_is_told_over_all_metrics_and_a_metric_over_all_features() -> None:
    found = told([2.0, 1.5, -3.0, 0.0, 0.002, 1.0])
    features = {contribution.name: contribution for contribution in found.features}
    assert features["level"].log_odds == pytest.approx(2.0 * 0.5 - 1.0 * 0.2)
    assert features["level"].subject == "cpu" and features["level"].value == 2.0
    assert features["slope"].sentence == (
        "slope, most of all of cpu, has fallen to -3 widths from a usual 0: -3.0 of the log-odds"
    )
    assert features["hit_1d"].sentence == "hit 1d has risen to 1 from a usual 0: +0.7 of the log-odds"
    assert "failed_share" not in features
    subjects = {contribution.name: contribution.log_odds for contribution in found.subjects}
    assert subjects == {"cpu": pytest.approx(-2.0), "memory": pytest.approx(-0.2)}
    assert found.subjects[0].sentence.startswith("cpu, most of all its slope, has fallen to -3 widths")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-50, 50, width=32), min_size=6, max_size=6))
def test_where_features_add_up_the_contributions_are_exact_and_leave_no_rest(row: list[float]) -> None:
    found = told(row)
    parts = (numpy.array(row, dtype=numpy.float32).astype(float) - USUAL) * WEIGHTS
    expected = {"level": parts[:2].sum(), "slope": parts[2:4].sum(), "failed_share": parts[4], "hit_1d": parts[5]}
    for contribution in found.features:
        assert contribution.log_odds == pytest.approx(expected.pop(contribution.name), abs=1e-6)
    assert not any(abs(left) > 1e-6 for left in expected.values())
    assert found.rest == pytest.approx(0.0, abs=1e-6)


def test_what_two_features_do_together_is_shared_between_them() -> None:
    found = told([2.0, 0.5, 3.0, 0.0, 0.002, 0.0], lambda rows: (rows[:, 0] * rows[:, 2]).astype(float))
    assert [contribution.log_odds for contribution in found.features] == pytest.approx([3.0, 3.0])
    assert found.rest == pytest.approx(0.0)


def test_what_only_many_do_together_is_the_rest() -> None:
    found = told([1.0, 1.5, 1.0, 1.0, 1.002, 1.0], lambda rows: (rows[:, 0] * rows[:, 2] * rows[:, 5]).astype(float))
    assert found.rest == pytest.approx(1.0 - sum(contribution.log_odds for contribution in found.features))
    assert abs(found.rest) > 0.1
    few = told([1.0, 1.5, 1.0, 1.0, 0.102, 1.0], strongest=1)
    assert len(few.features) == 1 and few.rest == pytest.approx(few.log_odds - few.usual_log_odds - 6.0, abs=1e-5)


def test_one_batch_is_scored() -> None:
    batches: list[int] = []

    def counting(rows: numpy.ndarray) -> numpy.ndarray:
        assert rows.dtype == numpy.float32
        batches.append(len(rows))
        return additive(rows)

    told([1.0] * 6, counting)
    assert batches == [2 * (4 + 2 + 6) + 2]


def test_the_usual_row_has_nothing_to_explain() -> None:
    found = told(USUAL.tolist())
    assert found.features == found.subjects == () and found.rest == 0.0


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(ExplanationRefused, match="do not belong together"):
        explain(USUAL[:5], USUAL, COLUMNS, additive)
    with pytest.raises(ExplanationRefused, match="not all finite"):
        told([1.0] * 6, lambda rows: numpy.full(len(rows), numpy.nan))
    with pytest.raises(ExplanationRefused, match=r"are of \(26, 1\)"):
        told([1.0] * 6, lambda rows: additive(rows)[:, None])


def test_it_agrees_with_the_shapley_values_of_trees() -> None:
    """TreeSHAP is against all training rows and ours against the median row: not the same, but of one mind."""
    lightgbm: Any = pytest.importorskip("lightgbm", reason="needs the extra learn")
    generator = numpy.random.default_rng(0)
    count, width = 2000, 12
    rows = generator.normal(0, 1, (count, width)).astype(numpy.float32)
    odds = 2.0 * rows[:, 0] + 1.5 * rows[:, 3] * (rows[:, 3] > 0) - rows[:, 7] + 0.5 * rows[:, 1] * rows[:, 2]
    target = generator.random(count) < 1 / (1 + numpy.exp(3 - odds))
    model = lightgbm.LGBMClassifier(n_estimators=40, num_leaves=15, n_jobs=1, verbose=-1, deterministic=True)
    booster = model.fit(rows, target).booster_
    columns = [Column(Definition(f"feature_{i}", "statistical", "1", "drawn"), "") for i in range(width)]
    usual = numpy.median(rows, axis=0)
    alarms = rows[numpy.argsort(-booster.predict(rows, raw_score=True))[:40]]
    same, alike = 0, []
    for row, shapley in zip(alarms, booster.predict(alarms, pred_contrib=True), strict=True):
        found = explain(row, usual, columns, lambda many: booster.predict(many, raw_score=True), width)
        ours = numpy.zeros(width)
        for contribution in found.features:
            ours[int(contribution.name.removeprefix("feature_"))] = contribution.log_odds
        same += int(ours.argmax() == shapley[:-1].argmax())
        ranks = [numpy.argsort(numpy.argsort(values)) for values in (ours, shapley[:-1])]
        alike.append(numpy.corrcoef(ranks[0], ranks[1])[0, 1])
    assert same >= 0.8 * len(alarms)
    assert numpy.median(alike) > 0.6
