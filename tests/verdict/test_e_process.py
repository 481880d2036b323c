"""The e-process keeps its promise, by exact enumeration: its mean is at most 1 wherever the target is not worse."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.analytics.e_process import ODDS, EProcess

FRESH = EProcess(overdispersion=1)

sizes = st.integers(1, 8)
shares_of_bad = st.floats(0, 1)
windows = st.tuples(sizes, sizes, shares_of_bad)


def binomial(total: int, share: float) -> list[float]:
    return [math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(total + 1)]


def outcomes(ours: int, theirs: int, bad: float, baseline_bad: float) -> Iterator[tuple[int, int, float]]:
    """Every pair of numbers of bad events in two arms, and how likely it is."""
    for (a, p), (b, q) in itertools.product(enumerate(binomial(ours, bad)), enumerate(binomial(theirs, baseline_bad))):
        yield a, b, p * q


def mean(ours: int, theirs: int, bad: float, baseline_bad: float, before: EProcess = FRESH) -> tuple[float, float]:
    """Of E for harm and of E for improvement after one more window, each beside what it was before."""
    share = ours / (ours + theirs)
    harm, improvement = 0.0, 0.0
    for a, b, likely in outcomes(ours, theirs, bad, baseline_bad):
        after = before.after(a, b, share)
        harm += likely * math.exp(after.log_e_harm)
        improvement += likely * math.exp(after.log_e_improvement)
    return harm / math.exp(before.log_e_harm), improvement / math.exp(before.log_e_improvement)


@given(windows, st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.floats(0.1, 0.9)), max_size=4))
def test_no_window_of_equal_arms_raises_the_mean_whatever_was_seen_before(
    window: tuple[int, int, float], seen: list[tuple[int, int, float]]
) -> None:
    before = FRESH
    for bad, baseline_bad, share in seen:
        before = before.after(bad, baseline_bad, share)
    ours, theirs, bad = window
    assert max(mean(ours, theirs, bad, bad, before)) <= 1 + 1e-9


@given(windows, st.floats(0, 1))
def test_a_target_that_is_better_gives_no_evidence_of_harm_and_one_that_is_worse_none_of_improvement(
    window: tuple[int, int, float], part: float
) -> None:
    ours, theirs, bad = window
    assert mean(ours, theirs, bad * part, bad)[0] <= 1 + 1e-9
    assert mean(ours, theirs, bad, bad * part)[1] <= 1 + 1e-9


@given(sizes, sizes, st.data())
def test_it_is_enough_that_the_bad_events_are_exchangeable(ours: int, theirs: int, data: st.DataObject) -> None:
    bad = data.draw(st.integers(0, ours + theirs))
    ways = math.comb(ours + theirs, bad)
    total = 0.0
    for a in range(max(0, bad - theirs), min(ours, bad) + 1):
        likely = math.comb(ours, a) * math.comb(theirs, bad - a) / ways
        total += likely * math.exp(FRESH.after(a, bad - a, ours / (ours + theirs)).log_e_harm)
    assert total <= 1 + 1e-9


def next_share(a: int, b: int) -> tuple[int, int]:
    """Requests of both arms in the next window, as a rollback might choose them from what it saw."""
    return (6, 2) if a > b else (1, 5)


@pytest.mark.parametrize("level", [0.5, 0.2, 0.05])
def test_it_rarely_ever_reaches_a_level_though_shares_follow_what_was_seen(level: float) -> None:
    """Ville's inequality over four windows, with a rate that jumps."""

    def reached(process: EProcess, requests: tuple[int, int], rates: tuple[float, ...]) -> float:
        if process.highest_log_e_harm >= -math.log(level):
            return 1.0
        if not rates:
            return 0.0
        share = requests[0] / sum(requests)
        return sum(
            likely * reached(process.after(a, b, share), next_share(a, b), rates[1:])
            for a, b, likely in outcomes(*requests, rates[0], rates[0])
            if likely > 1e-9
        )

    assert 0 < reached(FRESH, (2, 4), (0.3, 0.6, 0.1)) <= level


def of_clumps(score: Callable[[int, int, float], float], clumps: tuple[int, ...], share: float) -> float:
    """The mean of E where each clump of bad events is in one arm as a whole."""
    total = 0.0
    for sides in itertools.product((True, False), repeat=len(clumps)):
        ours = sum(size for size, mine in zip(clumps, sides, strict=True) if mine)
        likely = math.prod(share if mine else 1 - share for mine in sides)
        total += likely * score(ours, sum(clumps) - ours, share)
    return total


@given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.floats(0.02, 0.98), st.floats(7, 12))
def test_divided_by_the_largest_clump_it_keeps_its_promise_in_bursts(
    clumps: list[int], share: float, overdispersion: float
) -> None:
    divided = EProcess(overdispersion=overdispersion)
    assert of_clumps(lambda a, b, s: math.exp(divided.after(a, b, s).log_e_harm), tuple(clumps), share) <= 1 + 1e-9
    assert (
        of_clumps(lambda a, b, s: math.exp(divided.after(a, b, s).log_e_improvement), tuple(clumps), share) <= 1 + 1e-9
    )


def test_undivided_it_does_not_and_neither_would_the_mixture_divided_as_a_whole() -> None:
    clumps, share = (7,) * 8, 0.3
    assert of_clumps(lambda a, b, s: math.exp(FRESH.after(a, b, s).log_e_harm), clumps, share) > 2
    assert of_clumps(lambda a, b, s: math.exp(FRESH.after(a, b, s).log_e_harm / 7), clumps, share) > 1.01


@given(st.integers(0, 20), st.integers(0, 20), st.floats(0.05, 0.95))
def test_one_more_bad_event_of_the_target_speaks_for_harm(bad: int, baseline_bad: int, share: float) -> None:
    fewer, more = FRESH.after(bad, baseline_bad, share), FRESH.after(bad + 1, baseline_bad, share)
    assert more.log_e_harm > fewer.log_e_harm
    assert more.log_e_improvement < fewer.log_e_improvement


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.floats(0.05, 0.95)), max_size=6), st.data())
def test_the_order_of_windows_makes_no_difference_in_the_end(
    seen: list[tuple[int, int, float]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(seen))
    assert after_all(shuffled).log_e_harm == pytest.approx(after_all(seen).log_e_harm, abs=1e-9)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.floats(0.05, 0.95))
def test_two_windows_of_one_share_are_as_good_as_one(a: int, b: int, c: int, d: int, share: float) -> None:
    apart, together = after_all([(a, b, share), (c, d, share)]), FRESH.after(a + c, b + d, share)
    assert apart.log_e_harm == pytest.approx(together.log_e_harm, abs=1e-9)
    assert apart.log_e_improvement == pytest.approx(together.log_e_improvement, abs=1e-9)


def test_what_struck_both_arms_while_the_share_was_large_is_no_harm() -> None:
    """Simpson's paradox: equal in each window, and yet 91 of 110 against 19 of 110 in sum."""
    process = after_all([(1, 9, 0.1), (90, 10, 0.9)])
    assert process.highest_log_e_harm <= 0
    assert FRESH.after(91, 19, 0.5).log_e_harm > math.log(100)


@given(st.integers(0, 50))
def test_a_window_in_which_one_arm_had_nothing_says_nothing(bad: int) -> None:
    for after in (FRESH.after(bad, 0, 1.0), FRESH.after(0, bad, 0.0)):
        assert after.log_e_harm == pytest.approx(0, abs=1e-9)
        assert after.log_e_improvement == pytest.approx(0, abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.floats(0.05, 0.95)), max_size=6))
def test_it_is_the_same_after_it_was_written_and_read(seen: list[tuple[int, int, float]]) -> None:
    process = after_all(seen)
    assert EProcess.model_validate_json(process.model_dump_json()) == process


def test_not_knowing_the_odds_costs_no_more_than_promised() -> None:
    process = FRESH.after(60, 120, 0.2)
    assert process.log_e_harm >= max(process.harm) - math.log(len(ODDS))


def after_all(seen: list[tuple[int, int, float]]) -> EProcess:
    process = FRESH
    for bad, baseline_bad, share in seen:
        process = process.after(bad, baseline_bad, share)
    return process
