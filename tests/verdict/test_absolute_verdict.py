"""The absolute verdict passes on enough good requests only, and never on missing data."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.analytics.verdict import ALPHA, FEWEST_BAD, at_least, judge_absolute
from models.catalog import Availability, Latency, Slos
from models.telemetry import Count, NoData, Window
from models.verdict import Finding

THREE_NINES = Slos(availability=Availability(objective=99.9))
BOTH = Slos(availability=Availability(objective=99.9), latency=Latency(objective=95, threshold_ms=250))

counts = st.integers(min_value=0, max_value=5000).flatmap(
    lambda n: st.builds(Count, requests=st.just(n), errors=st.integers(0, n), slow=st.integers(0, n))
)
objectives = st.floats(min_value=50, max_value=99.999)
slos = st.builds(
    Slos,
    availability=st.builds(Availability, objective=objectives),
    latency=st.none() | st.builds(Latency, objective=objectives, threshold_ms=st.just(250.0)),
)


def window(count: Count) -> Window:
    return Window(service="payments", region="eu", seconds=60, arms={"v1": count})


def finding(requests: int, errors: int, slow: int = 0, slos: Slos = THREE_NINES, least: int = 50) -> Finding:
    return judge_absolute(window(Count(requests=requests, errors=errors, slow=slow)), "v1", slos, least).finding


@pytest.mark.parametrize(
    ("requests", "errors", "expected"),
    [
        (0, 0, Finding.INCONCLUSIVE),
        (49, 0, Finding.INCONCLUSIVE),
        (50, 0, Finding.PASS),
        (100, 1, Finding.INCONCLUSIVE),
        (50, 2, Finding.INCONCLUSIVE),
        (50, 3, Finding.FAIL),
        (3, 3, Finding.FAIL),
        (2, 2, Finding.INCONCLUSIVE),
        (999, 1, Finding.INCONCLUSIVE),
        (1000, 1, Finding.PASS),
        (10_000, 10, Finding.PASS),
        (10_000, 11, Finding.INCONCLUSIVE),
        (10_000, 18, Finding.INCONCLUSIVE),
        (10_000, 19, Finding.FAIL),
        (10_000_000, 10_000, Finding.PASS),
        (10_000_000, 11_000, Finding.FAIL),
    ],
)
def test_availability_of_99_9_percent(requests: int, errors: int, expected: Finding) -> None:
    assert finding(requests, errors) is expected


@pytest.mark.parametrize(
    ("errors", "slow", "expected"),
    [
        (0, 5, Finding.PASS),
        (0, 7, Finding.INCONCLUSIVE),
        (0, 60, Finding.FAIL),
        (1, 0, Finding.INCONCLUSIVE),
        (40, 0, Finding.FAIL),
        (1, 60, Finding.FAIL),
    ],
    ids=["both met", "a few too slow", "slow", "one failure", "failing", "one failure and slow"],
)
def test_every_objective_must_be_met_and_one_that_is_broken_fails(errors: int, slow: int, expected: Finding) -> None:
    assert finding(100, errors, slow, BOTH) is expected


def test_no_data_is_inconclusive_and_says_why() -> None:
    verdict = judge_absolute(NoData(service="payments", region="eu", reason="Envoy is away"), "v1", THREE_NINES, 1)
    assert verdict.finding is Finding.INCONCLUSIVE
    assert "Envoy is away" in verdict.sentence


@pytest.mark.parametrize("least", [0, 1])
def test_an_arm_that_the_telemetry_does_not_have_is_inconclusive_whatever_is_needed(least: int) -> None:
    good = window(Count(requests=1000, errors=0, slow=0))
    verdict = judge_absolute(good, "v2", THREE_NINES, least)
    assert verdict.finding is Finding.INCONCLUSIVE
    assert "the telemetry has v1 and not v2" in verdict.sentence


@pytest.mark.parametrize(
    ("requests", "errors", "expected"),
    [(0, 0, Finding.PASS), (1, 0, Finding.PASS), (2, 1, Finding.INCONCLUSIVE), (3, 3, Finding.FAIL)],
)
def test_where_requests_can_only_speak_against_it_none_is_needed(requests: int, errors: int, expected: Finding) -> None:
    assert finding(requests, errors, least=0) is expected


def test_where_none_is_needed_an_arm_that_was_never_asked_passes_and_a_source_that_is_away_does_not() -> None:
    never = judge_absolute(window(Count(requests=0, errors=0, slow=0)), "v1", THREE_NINES, 0)
    assert (never.finding, "without a request it says nothing" in never.sentence) == (Finding.PASS, True)
    away = NoData(service="payments", region="eu", reason="Envoy is away")
    assert judge_absolute(away, "v1", THREE_NINES, 0).finding is Finding.INCONCLUSIVE


def test_the_sentence_holds_the_numbers_and_calls_itself_weaker_evidence() -> None:
    verdict = judge_absolute(window(Count(requests=200, errors=30, slow=1)), "v1", BOTH, 50)
    assert "30 of 200 failed" in verdict.sentence
    assert "weaker evidence" in verdict.sentence
    assert [(e.metric, e.bad, e.total) for e in verdict.evidence] == [("availability", 30, 200), ("latency", 1, 200)]
    assert verdict.evidence[0].limit == 0.001


@given(counts, slos, st.integers(0, 2000))
def test_pass_means_enough_requests_within_each_budget(count: Count, slos: Slos, least: int) -> None:
    verdict = judge_absolute(window(count), "v1", slos, least)
    within = all(e.bad <= e.total * e.limit for e in verdict.evidence)
    assert verdict.passed == (count.requests >= least and within)


@given(counts, slos, st.integers(1, 2000), st.integers(1, 100))
def test_more_errors_never_improve_a_verdict(count: Count, slos: Slos, least: int, more: int) -> None:
    order = [Finding.PASS, Finding.INCONCLUSIVE, Finding.FAIL]
    worse = count.model_copy(update={"errors": min(count.requests, count.errors + more)})
    before, after = (judge_absolute(window(c), "v1", slos, least).finding for c in (count, worse))
    assert order.index(after) >= order.index(before)


@given(counts, slos, st.integers(1, 2000))
def test_fail_needs_more_bad_requests_than_accidents_and_than_the_budget(count: Count, slos: Slos, least: int) -> None:
    verdict = judge_absolute(window(count), "v1", slos, least)
    if verdict.finding is Finding.FAIL:
        assert any(e.bad >= FEWEST_BAD and e.bad > e.total * e.limit for e in verdict.evidence)


@given(st.integers(1, 60), st.floats(0.001, 0.4), st.data())
def test_the_tail_is_the_binomial_one(total: int, share: float, data: st.DataObject) -> None:
    bad = data.draw(st.integers(math.floor(total * share) + 1, total))
    terms = (math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(bad, total + 1))
    assert at_least(bad, total, share) == pytest.approx(sum(terms), rel=1e-9)


def test_a_service_that_just_meets_its_objective_is_failed_as_rarely_as_promised() -> None:
    total, share = 2000, 0.001
    first_failing = next(k for k in range(FEWEST_BAD, total) if at_least(k, total, share) <= ALPHA)
    assert finding(total, first_failing) is Finding.FAIL
    assert finding(total, first_failing - 1) is not Finding.FAIL
