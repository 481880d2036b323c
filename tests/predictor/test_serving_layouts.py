"""Serving where rows come with business numbers, and where entities are units that run to their failure."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import numpy
import pytest

from activities.predictor.features.bank import FeatureBank
from activities.predictor.layout import Layout
from activities.predictor.learning.bundling import bundled
from activities.predictor.learning.calibration import Platt
from activities.predictor.learning.combining import Combiner, Way
from activities.predictor.learning.deciding import Costs
from activities.predictor.learning.members import FittedMember, Kind, Logistic
from activities.predictor.learning.references import learn_references
from activities.predictor.learning.training import Forecast, Trained
from activities.predictor.serving.answers import Abstention, Answer, Prediction, Samples
from activities.predictor.serving.bundle import SHARES, read
from activities.predictor.serving.predictor import Predictor, SamplesRefused

SERVICES = Layout(("requests", "errors"), interval_s=1800, horizon=3, period=48, merge=3, business=True)
ENGINES = Layout(("temperature", "pressure"), interval_s=60, horizon=10, period=0, merge=1)
BUSINESS = numpy.array([[600.0, 30.0, 1000.0, 0.01, 0.99]])


def predictor(layout: Layout, *entities: str) -> Predictor:
    """Of a model whose one member weighs every feature a little."""
    references = learn_references([numpy.random.default_rng(0).normal(size=(300, 2)).astype(numpy.float32)])
    names = FeatureBank(layout, 1, references.detectors.names).names
    count = len(names)
    weighs = Logistic(numpy.zeros(count), numpy.ones(count), numpy.full(count, 0.01), -2.0)
    member = FittedMember("all", Kind.LOGISTIC, tuple(range(count)), (weighs,), (0.5,), 0.1)
    forecast = Forecast(
        (member,), Combiner(Way.AVERAGING, (1.0,)), Platt(1.0, 0.0), Platt(1.0, 0.0), frozenset[str](), {}
    )
    trained = Trained(
        layout=layout,
        features=names,
        entities=("known",),
        references=references,
        forecast=forecast,
        threshold=0.5,
        abstains=(),
        silent={},
        evidence=None,
        levels=numpy.zeros((SHARES, count), dtype=numpy.float32),
        digest="",
        costs=Costs(),
    )
    return Predictor(read(bundled(trained, datetime(2026, 1, 1, tzinfo=UTC))), entities)


def row_of(row: int, entity: str, business: numpy.ndarray | None = None) -> Samples:
    values = numpy.random.default_rng(row).normal(size=(1, 2))
    return Samples([entity], row, values, numpy.ones(1, dtype=bool), numpy.zeros(1, dtype=bool), business)


def last(predictor: Predictor, entity: str, rows: int, business: numpy.ndarray | None = None) -> Answer:
    """The answer to the last of so many rows."""
    for row in range(rows):
        assert not predictor.observe(row_of(row, entity, business))
    return predictor.predict([entity], rows - 1)[0]


def test_business_numbers_matter_and_unknown_ones_are_no_hindrance() -> None:
    unknown = numpy.full((1, 5), numpy.nan)
    answers = [last(predictor(SERVICES, "known"), "known", 48, business) for business in (BUSINESS, unknown)]
    first, second = answers
    assert isinstance(first, Prediction) and isinstance(second, Prediction)
    assert first.probability != second.probability


def test_infinite_business_number_is_refused() -> None:
    serving = predictor(SERVICES, "known")
    last(serving, "known", 48, BUSINESS)
    (refused,) = serving.observe(row_of(48, "known", numpy.full((1, 5), numpy.inf)))
    assert "a business number is infinite at row 48" in refused.reason


@pytest.mark.parametrize("business", [None, numpy.zeros((1, 4))])
def test_business_numbers_that_the_layout_has_must_come(business: numpy.ndarray | None) -> None:
    with pytest.raises(SamplesRefused, match="business"):
        predictor(SERVICES, "known").observe(row_of(0, "known", business))


def test_unit_that_no_model_has_seen_before_is_measured_by_the_prior() -> None:
    serving = predictor(ENGINES, "known", "engine-9")
    known, newcomer = (last(serving, entity, 10) for entity in ("known", "engine-9"))
    assert isinstance(known, Prediction) and isinstance(newcomer, Prediction)
    assert newcomer.probability == pytest.approx(known.probability, abs=1e-3), "its prior is the known one's reference"


def test_unit_needs_a_horizon_of_history() -> None:
    answer = last(predictor(ENGINES, "known"), "known", 9)
    assert isinstance(answer, Abstention) and answer.reason == "9 of 10 rows seen: too little history"


def test_probability_is_that_of_the_formula() -> None:
    serving = predictor(ENGINES, "known")
    answer = last(serving, "known", 10)
    assert isinstance(answer, Prediction)
    features = numpy.clip(serving.features("known").astype(float), -5, 5)
    odds = numpy.exp(-2.0 + 0.01 * features.sum()) * 0.5
    assert answer.probability == pytest.approx(odds / (1 + odds), abs=1e-6)
    assert answer.horizon_minutes == 10
    assert not dataclasses.replace(answer, probability=0.0).alarm
