"""What is served is what was learned, for one entity as for many; and where nothing can be said, the reason is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.predictor.inference import GraphRefused
from activities.predictor.learning.episodes import Episodes, Series
from activities.predictor.learning.table import tabulate
from activities.predictor.learning.training import Trained
from activities.predictor.serving.answers import Abstention, Answer, Prediction, Samples
from activities.predictor.serving.bundle import Bundle
from activities.predictor.serving.predictor import Predictor, SamplesRefused

NAMES = ("service-0", "service-1", "service-2")
DAY = 48


def samples(
    entities: Sequence[str],
    row: int,
    values: object = (10.0, 1000.0, 10.0),
    observed: bool = True,
    active: bool = False,
) -> Samples:
    count = len(entities)
    return Samples(
        entities,
        row,
        numpy.broadcast_to(numpy.array(values, dtype=float), (count, 3)),
        numpy.full(count, observed),
        numpy.full(count, active),
    )


def wander(row: int) -> tuple[float, float, float]:
    """Values of an unexciting day."""
    generator = numpy.random.default_rng(row)
    first, second, third = generator.normal(10, 1, 3).tolist()
    return first, 100 * second, third


def warm(bundle: Bundle, entities: Sequence[str] = NAMES, rows: int = DAY) -> Predictor:
    """After *rows* rows, the last of which is ``rows - 1``."""
    predictor = Predictor(bundle, entities)
    for row in range(rows):
        assert not predictor.observe(samples(entities, row, wander(row)))
    return predictor


def one(predictor: Predictor, entity: str, row: int) -> Answer:
    return predictor.predict([entity], row)[0]


def reason(predictor: Predictor, entity: str, row: int) -> str:
    answer = one(predictor, entity, row)
    assert isinstance(answer, Abstention) and (answer.entity, answer.row) == (entity, row)
    return answer.reason


def replay(predictor: Predictor, series: Sequence[Series], rows: range) -> list[tuple[Answer, ...]]:
    """The answers to each row of all the series."""
    answers: list[tuple[Answer, ...]] = []
    names = [each.entity for each in series]
    for row in rows:
        values = numpy.stack([each.values[row] for each in series]).astype(float)
        observed = numpy.array([each.observed[row] for each in series])
        active = numpy.array([each.active[row] for each in series])
        predictor.observe(Samples(names, row, values, observed, active))
        answers.append(predictor.predict(names, row))
    return answers


@pytest.fixture(scope="module")
def held(group: tuple[Series, ...]) -> tuple[Series, ...]:
    """The series as a running system sees them: what was not observed is like the row before."""
    filled: list[Series] = []
    for each in group:
        observed = each.observed.copy()
        observed[0] = True
        source = numpy.maximum.accumulate(numpy.where(observed, numpy.arange(len(observed)), 0))
        filled.append(dataclasses.replace(each, observed=observed, values=each.values[source]))
    return tuple(filled)


def test_served_probability_is_that_of_the_native_models_on_features_as_they_were_learned(
    trained: Trained, bundle: Bundle, held: tuple[Series, ...]
) -> None:
    assert trained.forecast is not None
    table = tabulate([Episodes(each, trained.layout) for each in held], held, trained.references, lambda _: None)
    fallen_back = table.entity == NAMES.index("service-1")
    native = trained.forecast.probability(trained.forecast.odds(table.features), fallen_back)
    expected = dict(zip(zip(table.entity.tolist(), table.row.tolist(), strict=True), native.tolist(), strict=True))
    predictor = Predictor(bundle, NAMES)
    compared = 0
    for row, answers in enumerate(replay(predictor, held, range(600))):
        for number, answer in enumerate(answers):
            if isinstance(answer, Prediction) and (number, row) in expected:
                assert answer.probability == pytest.approx(expected[number, row], abs=1e-5)
                compared += 1
    assert compared > 700


def test_rows_that_learning_does_not_ask_are_not_spoken_of(
    trained: Trained, bundle: Bundle, held: tuple[Series, ...]
) -> None:
    asked = Episodes(held[0], trained.layout).eligible
    for row, answers in enumerate(replay(Predictor(bundle, NAMES), held, range(400))):
        if row >= DAY:
            assert isinstance(answers[0], Prediction) == asked[row]


def test_batch_answers_like_each_entity_alone(bundle: Bundle, held: tuple[Series, ...]) -> None:
    together = replay(Predictor(bundle, NAMES), held, range(150))
    for number, each in enumerate(held):
        alone = replay(Predictor(bundle, [each.entity]), [each], range(150))
        for both, single in zip(together, alone, strict=True):
            answer, other = both[number], single[0]
            if isinstance(answer, Prediction) and isinstance(other, Prediction):
                assert other.probability == pytest.approx(answer.probability, abs=1e-9)
            else:
                assert other == answer


def test_order_of_the_entities_changes_nothing(bundle: Bundle) -> None:
    predictor, other = warm(bundle), warm(bundle, NAMES[::-1])
    mixed = predictor.predict(["service-1", "service-0"], DAY - 1)
    assert [answer.entity for answer in mixed] == ["service-1", "service-0"]
    assert mixed == other.predict(["service-1", "service-0"], DAY - 1)


@given(futures=st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), later=st.integers(1, 3))
@settings(deadline=None, max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_answer_does_not_depend_on_what_comes_later(futures: list[float], later: int, bundle: Bundle) -> None:
    predictor, plain = warm(bundle), warm(bundle)
    before = predictor.predict(NAMES, DAY - 1)
    for row in range(DAY, DAY + later):
        predictor.observe(samples(NAMES, row, futures))
    assert plain.predict(NAMES, DAY - 1) == before


def test_alarm_is_a_probability_at_the_threshold(bundle: Bundle) -> None:
    answer = one(warm(bundle), "service-0", DAY - 1)
    assert isinstance(answer, Prediction)
    assert 0 < answer.probability < 1 and answer.threshold == 0.4 and answer.horizon_minutes == 120
    assert not dataclasses.replace(answer, probability=0.39).alarm
    assert dataclasses.replace(answer, probability=0.4).alarm
    assert not dataclasses.replace(answer, probability=1.0, threshold=float("inf")).alarm


def test_same_generation_is_answered_from_the_cache_and_a_new_one_is_not(bundle: Bundle) -> None:
    predictor = warm(bundle)
    first = one(predictor, "service-0", DAY - 1)
    assert (predictor.cache.hits, predictor.cache.misses) == (0, 1)
    assert one(predictor, "service-0", DAY - 1) is first
    assert (predictor.cache.hits, predictor.cache.misses) == (1, 1)
    predictor.observe(samples(["service-1"], DAY, wander(DAY)))
    assert one(predictor, "service-0", DAY - 1) is first, "another entity's sample changes nothing"
    predictor.observe(samples(["service-0"], DAY, wander(DAY)))
    second = one(predictor, "service-0", DAY)
    assert predictor.cache.misses == 2
    assert isinstance(first, Prediction) and isinstance(second, Prediction)
    assert second.generation == first.generation + 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_value_that_is_no_number_is_refused_by_name_and_never_answered(bundle: Bundle, value: float) -> None:
    predictor = warm(bundle)
    (refused,) = predictor.observe(samples(["service-0"], DAY, (10.0, value, 10.0)))
    assert refused.entity == "service-0"
    assert f"errors is {value} at row {DAY}" in refused.reason
    assert f"row {DAY} was asked" in reason(predictor, "service-0", DAY)


def test_one_bad_sample_does_not_keep_the_others_out(bundle: Bundle) -> None:
    predictor = warm(bundle)
    values = numpy.array([wander(DAY), (numpy.nan,) * 3, wander(DAY)])
    plain = samples(NAMES, DAY)
    refused = predictor.observe(dataclasses.replace(plain, values=values))
    assert [each.entity for each in refused] == ["service-1"]
    assert isinstance(one(predictor, "service-0", DAY), Prediction)
    assert not predictor.observe(samples(["service-1"], DAY, wander(DAY))), "it may be sent again, whole"
    assert isinstance(one(predictor, "service-1", DAY), Prediction)


@pytest.mark.parametrize("row", [DAY - 1, DAY - 2, 0])
def test_sample_that_is_late_or_comes_twice_is_refused_and_changes_nothing(bundle: Bundle, row: int) -> None:
    predictor, plain = warm(bundle), warm(bundle)
    (refused,) = predictor.observe(samples(["service-0"], row, (1e6, 1e6, 1e6)))
    assert "late or comes twice" in refused.reason
    assert predictor.predict(NAMES, DAY - 1) == plain.predict(NAMES, DAY - 1)


def test_what_is_served_is_as_exact_as_what_was_learned_from(bundle: Bundle) -> None:
    double, single = Predictor(bundle, NAMES), Predictor(bundle, NAMES)
    for row in range(DAY):
        double.observe(samples(NAMES, row, wander(row)))
        single.observe(samples(NAMES, row, numpy.array(wander(row), dtype=numpy.float32)))
    assert (double.features("service-0") == single.features("service-0")).all()


def test_what_begins_anew_remembers_nothing_whatever_its_row(bundle: Bundle) -> None:
    predictor = warm(bundle)
    first = dataclasses.replace(samples(NAMES, 5, wander(5)), anew=numpy.array([True, False, False]))
    assert [refused.entity for refused in predictor.observe(first)] == ["service-1", "service-2"]
    assert reason(predictor, "service-0", 5) == f"1 of {DAY} rows seen: too little history"
    assert isinstance(one(predictor, "service-1", DAY - 1), Prediction)


def test_nothing_is_said_before_there_is_enough_history(bundle: Bundle) -> None:
    assert reason(Predictor(bundle, NAMES), "service-0", 0) == "no sample of it has come yet"
    predictor = warm(bundle, rows=DAY - 1)
    assert reason(predictor, "service-0", DAY - 2) == f"{DAY - 1} of {DAY} rows seen: too little history"
    predictor.observe(samples(NAMES, DAY - 1, wander(DAY - 1)))
    assert isinstance(one(predictor, "service-0", DAY - 1), Prediction)


def test_row_without_a_sample_is_not_spoken_of(bundle: Bundle) -> None:
    predictor = warm(bundle)
    predictor.observe(samples(["service-0"], DAY, (numpy.nan,) * 3, observed=False))
    assert reason(predictor, "service-0", DAY) == f"no sample came for row {DAY}"
    assert "row 40 was asked" in reason(predictor, "service-1", 40)


def test_first_sample_cannot_be_a_missing_one(bundle: Bundle) -> None:
    (refused,) = Predictor(bundle, NAMES).observe(samples(["service-0"], 0, observed=False))
    assert "none of late that could stand in" in refused.reason


def test_first_sample_after_a_gap_longer_than_its_memory_cannot_be_a_missing_one(bundle: Bundle) -> None:
    predictor = warm(bundle)
    (refused,) = predictor.observe(samples(["service-0"], 3 * DAY, observed=False))
    assert "none of late that could stand in" in refused.reason


def test_entity_that_is_named_twice_is_watched_once(bundle: Bundle) -> None:
    predictor = warm(bundle, ("service-0", "service-1"))
    twice = Predictor(bundle, ("service-0", "service-0", "service-1"))
    for row in range(DAY):
        twice.observe(samples(("service-0", "service-1"), row, wander(row)))
    assert twice.predict(NAMES[:2], DAY - 1) == predictor.predict(NAMES[:2], DAY - 1)


def test_features_are_told_as_they_were(bundle: Bundle) -> None:
    predictor = warm(bundle)
    before = predictor.features("service-0")
    kept = before.copy()
    predictor.observe(samples(NAMES, DAY, wander(DAY)))
    assert len(predictor.names) == len(kept) and (before == kept).all()
    assert (predictor.features("service-0") != kept).any()


def test_rows_left_out_are_as_good_as_rows_said_to_be_missing(bundle: Bundle) -> None:
    silent, said = warm(bundle), warm(bundle)
    for row in range(DAY, DAY + 3):
        said.observe(samples(NAMES, row, observed=False))
    for predictor in (silent, said):
        predictor.observe(samples(NAMES, DAY + 3, wander(DAY + 3)))
    assert isinstance(one(silent, "service-0", DAY + 3), Prediction)
    assert silent.predict(NAMES, DAY + 3) == said.predict(NAMES, DAY + 3)


def test_after_a_gap_longer_than_its_memory_an_entity_begins_anew(bundle: Bundle) -> None:
    predictor = warm(bundle)
    late = 3 * DAY
    predictor.observe(samples(NAMES, late, wander(late)))
    assert reason(predictor, "service-0", late) == f"1 of {DAY} rows seen: too little history"
    for row in range(late + 1, late + DAY):
        predictor.observe(samples(NAMES, row, wander(row)))
    fresh = Predictor(bundle, NAMES)
    for row in range(late, late + DAY):
        fresh.observe(samples(NAMES, row, wander(row)))
    again, anew = (one(each, "service-0", late + DAY - 1) for each in (predictor, fresh))
    assert isinstance(again, Prediction) and isinstance(anew, Prediction)
    assert again.probability == anew.probability
    assert again.generation != anew.generation, "an answer of before the gap is never taken for one of after"


def test_series_that_stands_still_is_not_spoken_of(bundle: Bundle) -> None:
    predictor = warm(bundle)
    for row in range(DAY, DAY + 33):
        predictor.observe(samples(NAMES, row, (10.0, 1000.0, 10.0)))
    assert isinstance(one(predictor, "service-0", DAY + 32), Abstention)
    assert "no metric has changed for 32 rows" in reason(predictor, "service-0", DAY + 32)
    predictor.observe(samples(NAMES, DAY + 33, wander(DAY + 33)))
    assert isinstance(one(predictor, "service-0", DAY + 33), Prediction)


def test_incident_and_its_cool_down_are_not_spoken_of(bundle: Bundle) -> None:
    predictor = warm(bundle)
    predictor.observe(samples(NAMES, DAY, wander(DAY), active=True))
    assert "under way" in reason(predictor, "service-0", DAY)
    for row in range(DAY + 1, DAY + 5):
        predictor.observe(samples(NAMES, row, wander(row)))
        assert f"ended {row - DAY} rows ago" in reason(predictor, "service-0", row)
    predictor.observe(samples(NAMES, DAY + 5, wander(DAY + 5)))
    assert isinstance(one(predictor, "service-0", DAY + 5), Prediction)


def test_entity_whose_metrics_never_moved_is_not_spoken_of(bundle: Bundle) -> None:
    width = bundle.scale.width.copy()
    width[0] = numpy.inf
    still = dataclasses.replace(bundle, scale=dataclasses.replace(bundle.scale, width=width))
    assert "no metric ever changed" in reason(warm(still), "service-0", DAY - 1)


def test_entity_that_the_model_has_not_learned_from_is_not_spoken_of(bundle: Bundle) -> None:
    predictor = warm(bundle, ("service-0", "newcomer"))
    assert "has not learned from it" in reason(predictor, "newcomer", DAY - 1)
    assert isinstance(one(predictor, "service-0", DAY - 1), Prediction)


def test_silent_entity_says_why(bundle: Bundle) -> None:
    assert reason(warm(bundle), "service-2", DAY - 1) == "no incident started in its train and validation parts"


def test_model_without_skill_says_nothing_of_anyone(bundle: Bundle) -> None:
    manifest = bundle.manifest.model_copy(update={"abstains": ("its Brier skill is not above zero",)})
    predictor = warm(dataclasses.replace(bundle, manifest=manifest))
    assert {reason(predictor, name, DAY - 1) for name in NAMES} == {"its Brier skill is not above zero"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"entities": ("service-0", "service-9", "service-2")}, "'service-9' is not watched"),
        ({"entities": ("service-0", "service-0", "service-2")}, "comes twice in one call"),
        ({"values": numpy.zeros((3, 2))}, r"values of 3 entities has the shape \(3, 2\)"),
        ({"observed": numpy.ones(2, dtype=bool)}, "observed of 3 entities has the shape"),
        ({"active": numpy.zeros((3, 1), dtype=bool)}, "active of 3 entities has the shape"),
        ({"business": numpy.zeros((3, 5))}, "says business=False"),
    ],
)
def test_call_that_does_not_fit_the_model_is_refused_as_a_whole(
    bundle: Bundle, change: dict[str, object], says: str
) -> None:
    predictor, plain = warm(bundle), warm(bundle)
    with pytest.raises(SamplesRefused, match=says):
        predictor.observe(dataclasses.replace(samples(NAMES, DAY), **change))
    assert predictor.predict(NAMES, DAY - 1) == plain.predict(NAMES, DAY - 1)


def test_graph_of_another_model_is_refused(bundle: Bundle) -> None:
    with pytest.raises(GraphRefused, match="must go from"):
        Predictor(dataclasses.replace(bundle, members=bundle.detectors), NAMES)
    with pytest.raises(GraphRefused, match="and the manifest says"):
        manifest = bundle.manifest.model_copy(update={"members": ("one",)})
        Predictor(dataclasses.replace(bundle, manifest=manifest), NAMES)
    with pytest.raises(GraphRefused, match="cannot load"):
        Predictor(dataclasses.replace(bundle, members=b"noise"), NAMES)


@given(
    row=st.integers(0, 200),
    value=st.one_of(st.floats(), st.just(10.0)),
    observed=st.booleans(),
    active=st.booleans(),
)
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_is_answered_by_a_probability_or_a_reason(
    row: int, value: float, observed: bool, active: bool, bundle: Bundle
) -> None:
    predictor = warm(bundle, ["service-0"])
    predictor.observe(samples(["service-0"], row, (value, 1000.0, 10.0), observed, active))
    answer = one(predictor, "service-0", row)
    if isinstance(answer, Prediction):
        assert row >= DAY - 1 and 0 < answer.probability < 1
        assert row == DAY - 1 or (numpy.isfinite(value) and observed and not active)
    else:
        assert answer.reason
