"""What the benchmark of verdicts computes on arrays is what the engine says, window by window."""

from __future__ import annotations

import numpy as np
import pytest

from bench.verdict import clopper_pearson, divisors
from bench.verdict_engine import LEAST_REQUESTS, judged_by_the_engine
from bench.verdict_judges import NEVER, better, fixed_threshold, harmful, mann_whitney
from bench.verdict_traffic import Arm, Scatter, Service, clumps, independent, spells, traffic, uneven

RUNS = 6

SPARSE = Service(rps=0.5, share=0.1, errors=0.2)
"""Many windows have no request in one of the arms."""
MOVING = Service(rps=20, share=(0.05, 0.5), errors=0.02, drift=5)


@pytest.mark.parametrize("service", [SPARSE, MOVING], ids=["sparse", "moving"])
@pytest.mark.parametrize("scatter", [independent, clumps(4)], ids=["independent", "clumps"])
@pytest.mark.parametrize(("target", "baseline"), [(1, 1), (3, 1), (1, 4)], ids=["equal", "worse", "better"])
@pytest.mark.parametrize("history", [True, False], ids=["history", "none"])
def test_arrays_and_engine_speak_at_the_same_window(
    service: Service, scatter: Scatter, target: float, baseline: float, history: bool
) -> None:
    made = traffic(service, scatter, target, baseline, RUNS, np.random.default_rng(7))
    by = divisors(made, history)
    harm = harmful(made.target, made.baseline, by, LEAST_REQUESTS).tolist()
    improvement = better(made.target, made.baseline, by, LEAST_REQUESTS).tolist()
    assert [judged_by_the_engine(made, run, history) for run in range(RUNS)] == list(
        zip(harm, improvement, strict=True)
    )


def test_a_worse_release_is_found_and_a_better_one_passes_in_both() -> None:
    """So that the comparison above does not hold only because neither ever speaks."""
    worse = traffic(MOVING, independent, 3, 1, RUNS, np.random.default_rng(7))
    healthy = traffic(MOVING, independent, 1, 4, RUNS, np.random.default_rng(7))
    assert NEVER not in harmful(worse.target, worse.baseline, divisors(worse, True), LEAST_REQUESTS)
    assert NEVER not in better(healthy.target, healthy.baseline, divisors(healthy, True), LEAST_REQUESTS)


@pytest.mark.parametrize("scatter", [independent, uneven(0.5), clumps(4), spells(4, 1, 0.1)])
def test_every_kind_of_burst_has_the_share_of_errors_that_was_asked_for(scatter: Scatter) -> None:
    made = traffic(Service(rps=100, share=0.5, errors=0.02), scatter, 1, 1, 50, np.random.default_rng(1))
    assert made.target.errors.sum() / made.target.requests.sum() == pytest.approx(0.02, rel=0.05)


def arm(*errors: int, requests: int = 100) -> Arm:
    row = np.array([[*errors, *[0] * (240 - len(errors))]])
    return Arm(np.full_like(row, requests), row, np.zeros_like(row))


def test_the_fixed_threshold_speaks_at_the_fourth_breach() -> None:
    assert fixed_threshold(arm(9, 0, 9, 9, 1, 9), arm(*[1] * 240)).tolist() == [6]
    assert fixed_threshold(arm(2, 2, 2, 2), arm(*[1] * 240)).tolist() == [NEVER]


def test_mann_whitney_speaks_at_a_whole_minute() -> None:
    assert mann_whitney(arm(*range(101, 341), requests=1000), arm(*[3] * 240)).tolist() == [8]
    assert mann_whitney(arm(*[3] * 240), arm(*[3] * 240)).tolist() == [NEVER]


@pytest.mark.parametrize(
    ("found", "runs", "low", "high"), [(0, 2000, 0, 0.00184), (10, 2000, 0.0024, 0.00918), (5, 5, 0.47818, 1)]
)
def test_the_interval_is_that_of_clopper_and_pearson(found: int, runs: int, low: float, high: float) -> None:
    assert clopper_pearson(found, runs) == pytest.approx((low, high), abs=1e-5)
