"""The comparative verdict: harm fails, what is needed and shown passes, and everything else is inconclusive."""

from __future__ import annotations

import math
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from activities.analytics.comparison import Comparison, judge, threshold
from activities.analytics.e_process import EProcess
from activities.analytics.overdispersion import Overdispersion
from models.catalog import Availability, Latency, Slos
from models.stage import Compare
from models.telemetry import USERS, Count, NoData, Window, WindowReading
from models.verdict import Finding, Need, Verdict

ONE = Slos(availability=Availability(objective=99))
TWO = Slos(availability=Availability(objective=99), latency=Latency(objective=95, threshold_ms=250))
LEAST, SECONDS = 50, 15.0
AWAY = NoData(service="payments", region="eu", reason="Envoy is away")

counts = st.integers(0, 60).flatmap(
    lambda n: st.builds(Count, requests=st.just(n), errors=st.integers(0, n), slow=st.integers(0, n))
)
readings = st.one_of(
    st.just(AWAY),
    st.builds(
        Window,
        service=st.just("payments"),
        region=st.just("eu"),
        seconds=st.just(15.0),
        arms=st.dictionaries(st.sampled_from(["v1", "v2", "v3", USERS]), counts),
    ),
)


def count(requests: int, errors: int = 0, slow: int = 0) -> Count:
    return Count(requests=requests, errors=errors, slow=slow)


def window(v1: Count, v2: Count, seconds: float = SECONDS, **others: Count) -> Window:
    return Window(service="payments", region="eu", seconds=seconds, arms={"v1": v1, "v2": v2, **others})


def begun(slos: Slos = ONE, overdispersion: float = 1.0) -> Comparison:
    factor = Overdispersion(factor=overdispersion)
    return Comparison.begin("v1", slos, {"availability": factor, "latency": factor})


def after(*readings: WindowReading, slos: Slos = ONE, overdispersion: float = 1.0) -> Comparison:
    comparison = begun(slos, overdispersion)
    for reading in readings:
        comparison = comparison.after(reading)
    return comparison


def gate(need: Need = Need.NO_HARM, least: int = LEAST, seconds: float = SECONDS) -> Compare:
    return Compare(release="v1", need=need, seconds=seconds, extension=60, min_requests=least)


def judged(*readings: WindowReading, need: Need = Need.NO_HARM, slos: Slos = ONE, least: int = LEAST) -> Verdict:
    return judge(after(*readings, slos=slos), gate(need, least))


ALIKE = window(count(200, 1), count(800, 4))
WORSE = window(count(200, 40), count(800, 8))
BETTER = window(count(200, 1), count(800, 300))
BOTH_BAD = window(count(200, 60), count(800, 240))


@pytest.mark.parametrize(
    ("reading", "need", "expected"),
    [
        (WORSE, Need.BETTER, Finding.FAIL),
        (WORSE, Need.NO_HARM, Finding.FAIL),
        (BETTER, Need.BETTER, Finding.PASS),
        (BETTER, Need.NO_HARM, Finding.PASS),
        (ALIKE, Need.BETTER, Finding.INCONCLUSIVE),
        (ALIKE, Need.NO_HARM, Finding.PASS),
        (BOTH_BAD, Need.BETTER, Finding.INCONCLUSIVE),
        (BOTH_BAD, Need.NO_HARM, Finding.INCONCLUSIVE),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_needed_decides_what_passes(reading: Window, need: Need, expected: Finding) -> None:
    assert judged(reading, need=need).finding is expected


@pytest.mark.parametrize(
    ("readings", "need", "reason"),
    [
        ([], Need.BETTER, "nothing was compared yet"),
        ([AWAY], Need.NO_HARM, "Envoy is away"),
        ([BETTER, AWAY], Need.BETTER, "Envoy is away"),
        ([ALIKE, AWAY], Need.NO_HARM, "Envoy is away"),
        ([ALIKE, ALIKE.model_copy(update={"arms": {"v2": count(9)}})], Need.NO_HARM, "nothing was measured of v1"),
        ([ALIKE, window(count(0), count(800))], Need.NO_HARM, "v1 had no requests"),
        ([ALIKE, window(count(200), count(0))], Need.NO_HARM, "what runs beside v1 had no requests"),
        ([window(count(49), count(800, 700))], Need.BETTER, "fewer than the 50 requests"),
        ([window(count(800), count(49, 49))], Need.BETTER, "fewer than the 50 requests"),
        ([window(count(49, 49), count(800))], Need.NO_HARM, "fewer than the 50 requests"),
        ([ALIKE], Need.BETTER, "not shown to be better yet"),
        ([BOTH_BAD], Need.NO_HARM, "60 of 200 failed, clearly above the budget"),
        ([window(count(200, 3), count(800, 12))], Need.NO_HARM, "undecided against the budget"),
    ],
)
def test_every_inconclusive_verdict_says_why(readings: list[WindowReading], need: Need, reason: str) -> None:
    verdict = judged(*readings, need=need)
    assert verdict.finding is Finding.INCONCLUSIVE
    assert reason in verdict.sentence


@pytest.mark.parametrize(
    "broken",
    [
        window(count(-5), count(800)),
        window(count(200), count(800, -1)),
        window(count(200), count(800), seconds=0),
        window(count(200), count(800), seconds=math.nan),
        window(Count.model_construct(requests=math.nan, errors=0, slow=0), count(800)),  # pyright: ignore[reportArgumentType] -- that is the point
        window(count(200), Count.model_construct(requests=800, errors=math.nan, slow=0)),  # pyright: ignore[reportArgumentType] -- that is the point
        window(count(200), Count.model_construct(requests=math.inf, errors=0, slow=0)),  # pyright: ignore[reportArgumentType] -- that is the point
    ],
)
def test_counts_that_cannot_be_pass_nothing_and_move_nothing(broken: Window) -> None:
    good = after(ALIKE)
    comparison = good.after(broken)
    assert comparison == good.model_copy(update={"gap": comparison.gap, "measured": False})
    assert "cannot be" in judge(comparison, gate()).sentence
    assert judge(comparison, gate()).finding is Finding.INCONCLUSIVE


ALONE = window(count(200, 1), count(0))


def test_where_nothing_ever_ran_beside_it_the_target_is_held_against_its_objectives_alone() -> None:
    verdict = judged(ALONE, ALONE)
    assert verdict.passed
    assert "nothing ran beside it" in verdict.sentence
    assert "the weaker evidence" in verdict.sentence
    failed = judged(window(count(200, 40), count(0)))
    assert failed.finding is Finding.FAIL
    assert not failed.shows_harm, "nothing is known of those that it might be worse than"


def test_a_first_request_or_three_that_only_the_target_had_condemn_nothing() -> None:
    """A dependency that fails for all of them would look the same."""
    first = after(window(count(3, 3), count(0), seconds=0.25))
    verdict = judge(first, gate())
    assert verdict.finding is Finding.INCONCLUSIVE
    assert "what runs beside v1 had no requests" in verdict.sentence
    assert judge(first.after(window(count(60, 60), count(0))), gate()).finding is Finding.FAIL


def test_only_a_target_that_failed_beside_others_is_said_to_be_worse() -> None:
    assert judged(WORSE).shows_harm
    assert not judged(BOTH_BAD).shows_harm
    assert not judged(window(count(49, 49), count(800))).shows_harm, "too few to say"


@pytest.mark.parametrize(
    ("readings", "need"),
    [([ALONE, AWAY], Need.NO_HARM), ([ALONE], Need.BETTER), ([ALIKE, ALONE], Need.NO_HARM)],
    ids=["it is not seen any more", "better than nothing", "something ran beside it before"],
)
def test_alone_it_does_not_pass(readings: list[WindowReading], need: Need) -> None:
    assert judged(*readings, need=need).finding is Finding.INCONCLUSIVE


def test_data_that_comes_back_decides_again() -> None:
    assert judged(ALIKE, AWAY, ALIKE).passed


def test_harm_that_was_shown_stays_shown_though_the_data_goes_away_or_the_target_recovers() -> None:
    recovered = [window(count(200), count(800, 8))] * 40
    assert after(WORSE, *recovered).processes["availability"].log_e_harm < threshold(1)
    assert judged(WORSE, *recovered).finding is Finding.FAIL
    assert judged(WORSE, AWAY).finding is Finding.FAIL


def test_improvement_must_be_shown_at_the_moment_of_passing() -> None:
    gone = [window(count(200, 40), count(800, 150))] * 10
    assert judged(BETTER, need=Need.BETTER).passed
    assert not judged(BETTER, *gone, need=Need.BETTER).passed


def test_a_target_that_is_better_in_one_metric_and_worse_in_another_fails() -> None:
    mixed = window(count(200, 1, slow=150), count(800, 300, slow=8))
    assert judged(mixed, need=Need.BETTER, slos=TWO).finding is Finding.FAIL


def test_a_target_that_is_better_in_one_metric_and_alike_in_another_passes() -> None:
    assert judged(window(count(200, 1, slow=2), count(800, 300, slow=8)), need=Need.BETTER, slos=TWO).passed


@pytest.mark.parametrize("calm_first", [True, False])
def test_seven_of_ten_windows_a_hundred_times_worse_fail(calm_first: bool) -> None:
    """A judge that ranks samples may pass this; here each bad request counts, also where bursts are assumed."""
    calm, bad = window(count(1000, 1), count(1000, 1)), window(count(1000, 100), count(1000, 1))
    readings = [calm] * 3 + [bad] * 7 if calm_first else [bad] * 7 + [calm] * 3
    for need in Need:
        assert judge(after(*readings, overdispersion=4), gate(need)).finding is Finding.FAIL


def test_two_metrics_share_the_false_alarms_between_them() -> None:
    near = window(count(200, 11), count(800, 10))
    evidence = after(near).processes["availability"].highest_log_e_harm
    assert threshold(1) <= evidence < threshold(2)
    assert judged(near, slos=ONE).finding is Finding.FAIL
    assert judged(near, slos=TWO).finding is not Finding.FAIL


def test_the_releases_beside_the_target_are_summed_and_the_users_are_not_one_of_them() -> None:
    together = window(count(200, 1), count(800, 300))
    apart = window(count(200, 1), count(500, 200), v3=count(300, 100), users=count(1000, 999))
    assert after(apart) == after(together)


def test_where_nothing_runs_beside_the_target_its_failures_still_count_against_its_objectives() -> None:
    alone = window(count(1000, 200), count(0))
    verdict = judged(ALIKE, alone, ALIKE)
    assert verdict.finding is Finding.INCONCLUSIVE
    assert "202 of 1400 failed" in verdict.sentence
    assert after(ALIKE, alone).processes == after(ALIKE).processes


def test_overdispersion_makes_the_same_numbers_weaker_evidence() -> None:
    assert judge(after(WORSE, overdispersion=1), gate()).finding is Finding.FAIL
    assert judge(after(WORSE, overdispersion=50), gate()).finding is not Finding.FAIL


def test_the_evidence_has_the_numbers_of_both_sides_and_what_is_needed() -> None:
    verdict = judged(BETTER, need=Need.BETTER, slos=TWO)
    errors, slow = verdict.evidence
    assert (errors.metric, errors.arm, errors.bad, errors.total, errors.limit) == ("availability", "v1", 1, 200, 0.01)
    assert errors.compared is not None and slow.compared is not None
    assert (errors.compared.bad, errors.compared.total) == (300, 800)
    assert errors.compared.threshold == pytest.approx(math.log(200))
    assert errors.compared.shows_improvement and not slow.compared.shows_improvement
    assert "1 of 200 failed, 300 of 800 beside it, better" in verdict.sentence
    assert "\n" not in verdict.sentence


def test_the_sentence_says_whether_the_overdispersion_was_learned_and_once_why_it_was_not() -> None:
    learned, assumed = Overdispersion(factor=1.4), Overdispersion(factor=4, assumed="Envoy keeps no history")
    for found, words, last in (
        ({"availability": learned, "latency": learned}, ("1.4 learned", "1.4 learned"), "within its objectives"),
        ({"availability": learned, "latency": assumed}, ("1.4 learned", "4.0 assumed"), "Envoy keeps no history"),
        ({"availability": assumed, "latency": assumed}, ("4.0 assumed", "4.0 assumed"), "Envoy keeps no history"),
    ):
        verdict = judge(Comparison.begin("v1", TWO, found).after(ALIKE), gate())
        assert re.findall(r"overdispersion (\S+ \w+)", verdict.sentence) == list(words)
        assert verdict.sentence.endswith(last)
        assert verdict.sentence.count("because") == (last == "Envoy keeps no history")
        assert [e.compared.assumed for e in verdict.evidence if e.compared] == [o.assumed for o in found.values()]


@given(st.lists(readings, max_size=8), st.sampled_from(Need), st.integers(0, 8), st.integers(1, 100))
def test_a_comparison_that_was_written_and_read_goes_on_as_if_nothing_had_happened(
    seen: list[WindowReading], need: Need, killed_after: int, least: int
) -> None:
    undisturbed = after(*seen, slos=TWO, overdispersion=1.7)
    resumed = after(*seen[:killed_after], slos=TWO, overdispersion=1.7)
    resumed = Comparison.model_validate_json(resumed.model_dump_json())
    for reading in seen[killed_after:]:
        resumed = resumed.after(reading)
    assert resumed == undisturbed
    assert judge(resumed, gate(need, least)) == judge(undisturbed, gate(need, least))


@given(st.lists(readings, max_size=8), st.integers(1, 100))
def test_what_passes_was_measured_on_both_sides_and_shows_no_harm(seen: list[WindowReading], least: int) -> None:
    for need in Need:
        verdict = judged(*seen, need=need, slos=TWO, least=least)
        if verdict.passed:
            assert not isinstance(seen[-1], NoData)
            for evidence in verdict.evidence:
                assert evidence.compared is not None and not evidence.compared.shows_harm
                assert min(evidence.total, evidence.compared.total) >= least


def test_it_is_small_enough_for_a_heartbeat() -> None:
    assert len(after(*[WORSE] * 1000, slos=TWO).model_dump_json()) < 2000


def test_evidence_of_another_build_with_other_odds_is_refused() -> None:
    with pytest.raises(ValidationError):
        EProcess.model_validate({"overdispersion": 1, "harm": [0.0, 0.0], "improvement": [0.0, 0.0]})


def test_the_engine_needs_no_numerical_library() -> None:
    code = "import sys, activities.analytics.comparison; sys.exit(bool({'numpy', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
