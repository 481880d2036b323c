"""The arithmetic behind a trip: held against plain recomputations, call by call."""

from __future__ import annotations

from collections import deque
from math import exp, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sternway_guard import Fixed, Learned
from sternway_guard.baseline import FLOOR, HIGHEST, Baseline
from sternway_guard.evidence import EFFECTS, Evidence
from sternway_guard.judges import FixedJudge, LearnedJudge

BASELINES = st.floats(0.01, 0.5)
CALLS = st.lists(st.booleans(), max_size=20)
"""Whether each fails; too few for the most that a sum may be."""


class CallByCall:
    """CUSUMs as they are in books."""

    def __init__(self, baseline: float) -> None:
        self.ratios = [
            {True: log(p / baseline), False: log((1 - p) / (1 - baseline))}
            for p in (baseline + (1 - baseline) * effect for effect in EFFECTS)
        ]
        self.sums, self.bad, self.calls = [0.0] * len(EFFECTS), [0] * len(EFFECTS), [0] * len(EFFECTS)

    def call(self, fails: bool) -> None:
        for i, ratio in enumerate(self.ratios):
            self.sums[i] += ratio[fails]
            self.bad[i] += fails
            self.calls[i] += 1
            if self.sums[i] <= 0:
                self.sums[i], self.bad[i], self.calls[i] = 0.0, 0, 0

    def exceeds(self, threshold: float, least: int, share: float) -> bool:
        rows = zip(self.sums, self.bad, self.calls, strict=True)
        counted = [one for one, bad, calls in rows if bad >= least and bad >= share * calls]
        return sum(exp(one) for one in counted) / len(EFFECTS) > exp(threshold)


@given(BASELINES, CALLS, st.floats(0.1, 30), st.integers(1, 20), st.floats(0, 1))
def test_successes_that_are_only_counted_come_to_the_same(
    baseline: float, calls: list[bool], threshold: float, least: int, share: float
) -> None:
    plain, evidence, good = CallByCall(baseline), Evidence(baseline), 0
    for fails in calls:
        plain.call(fails)
        if not fails:
            good += 1
            continue
        evidence.good(good)
        good = 0
        assert evidence.bad() == pytest.approx(max(plain.sums), abs=1e-6)
        nearly = {plain.exceeds(threshold + step, least, share) for step in (-1e-6, 1e-6)}
        assert evidence.exceeds(threshold, least, share) in nearly
    assert evidence.good(good) == pytest.approx(max(plain.sums), abs=1e-6)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1])
def test_of_independent_calls_it_passes_no_more_often_than_its_threshold_says(share: float) -> None:
    """Once in 500 calls at log(500) nats; nothing else is asked of it here."""
    random, evidence, trips, calls = Random(1), Evidence(share), 0, 200_000
    for _ in range(calls):
        if random.random() < share:
            evidence.bad()
            if evidence.exceeds(log(500), 1, 0):
                trips += 1
                evidence.clear()
        else:
            evidence.good(1)
    assert trips <= calls / 500


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 5), st.booleans()), max_size=60), st.integers(1, 5))
def test_a_fixed_share_is_that_of_the_last_seconds(rows: list[tuple[int, int, bool]], seconds: int) -> None:
    judge = FixedJudge(Fixed(share=0.5, least=10, seconds=seconds))
    window: deque[list[int]] = deque([[0, 0]], maxlen=seconds)
    for good, bad, ticks in rows:
        window[-1][0] += good + bad
        window[-1][1] += bad
        calls, failed = (sum(column) for column in zip(*window, strict=True))
        assert judge.bad(good, bad) == (calls >= 10 and failed >= 0.5 * calls)
        if ticks:
            judge.tick(0, 1)
            window.append([0, 0])


@given(
    st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1), st.lists(st.floats(FLOOR, 200), max_size=3)), max_size=50)
)
def test_whatever_was_learned_the_threshold_is_one(history: list[tuple[int, float, list[float]]]) -> None:
    baseline = Baseline(5e-6, tolerated=0.2)
    for calls, share, peaks in history:
        baseline.learn(calls, round(calls * share), peaks)
        assert 0 < baseline.share <= 0.2
        assert baseline.overdispersion >= 1
        assert log(1 / 5e-6) <= baseline.threshold <= HIGHEST


@pytest.mark.parametrize("share", [0.0, 0.002, 0.05, 0.15])
def test_the_baseline_is_soon_little_more_than_the_truth(share: float) -> None:
    baseline = Baseline(5e-6, tolerated=0.2)
    for _ in range(200):
        baseline.learn(1000, round(1000 * share), [])
    assert share <= baseline.share <= share * 1.1 + 0.001


def test_higher_excursions_raise_the_threshold_and_it_falls_again_when_they_are_over() -> None:
    baseline = Baseline(5e-6, tolerated=0.2)
    found: list[float] = []
    for peak in (5.0, 10.0, 20.0):
        for _ in range(100):
            baseline.learn(1000, 5, [peak])
        found.append(baseline.threshold)
    for _ in range(1000):
        baseline.learn(1000, 5, [])
    assert found == sorted(found)
    assert baseline.threshold <= found[0] < found[-1]


def test_what_is_suspected_is_not_learned_before_it_is_over() -> None:
    judge = LearnedJudge(Learned())
    for _ in range(100):
        judge.tick(100, 1)
    before = judge.baseline
    for _ in range(6):
        judge.bad(5, 1)
        judge.tick(0, 1)
    assert judge.baseline == before
    judge.tick(1000, 1)
    assert judge.baseline != before
