"""Burn rates over pairs of windows: what burns, what is quiet, and what cannot be known."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.alert import Severity
from models.base import SternwayError
from models.catalog import Availability, Latency, Slos
from models.telemetry import USERS, Count, NoData, Totals
from workers.watch.burn import Slo, State, burns
from workers.watch.history import RESOLUTION, History
from workers.watch.windows import PAGES, BurnWindow, parse_windows

SLOS = Slos(availability=Availability(objective=99.9))
FAST, SLOW = parse_windows(PAGES)
MINUTE, HOUR = 60, 3600
RATE = 100
"""Requests a minute."""


def totals(minute: float, requests: int, errors: int = 0, slow: int = 0, epoch: str = "a") -> Totals:
    at = datetime.fromtimestamp(1_000_000 + minute * MINUTE, UTC)
    arms = {USERS: Count(requests=requests, errors=errors, slow=slow)}
    return Totals(service="payments", region="eu", at=at, epoch=epoch, arms=arms)


def history(readings: Iterable[Totals | NoData], windows: tuple[BurnWindow, ...] = (FAST, SLOW)) -> History:
    made = History({length for w in windows for length in (w.long, w.short)})
    for reading in readings:
        made.add(reading)
    return made


def minutes(shares: Iterable[float], rate: int = RATE) -> list[Totals]:
    """A reading a minute; in each minute *rate* requests of which the given share fails."""
    made, errors = [totals(0, 0)], 0.0
    for minute, share in enumerate(shares, start=1):
        errors += rate * share
        made.append(totals(minute, minute * rate, round(errors)))
    return made


def states(readings: list[Totals], min_requests: int = 50, later: float = 0) -> tuple[State, State]:
    now = readings[-1].at.timestamp() + later
    fast, slow = burns(history(readings), SLOS, (FAST, SLOW), min_requests, now)
    return fast.state, slow.state


B, Q, U = State.BURNING, State.QUIET, State.UNKNOWN


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0.0] * 400, (Q, Q)),
        ([0.0] * 300 + [0.0009] * 100, (Q, Q)),
        ([0.0] * 395 + [0.5] * 5, (B, B)),
        ([0.0] * 340 + [0.02] * 60, (B, Q)),
        ([0.008] * 400, (Q, B)),
        ([0.0] * 380 + [0.5] * 12 + [0.0] * 8, (Q, B)),
        ([0.0] * 300 + [0.5] * 60 + [0.0] * 40, (Q, Q)),
        ([1.0] * 6, (B, U)),
        ([1.0] * 3, (U, U)),
        ([0.0] * 3, (Q, Q)),
    ],
    ids=[
        "healthy",
        "within the budget",
        "total trouble for five minutes",
        "fast burn, too short for six hours",
        "slow burn, too slow for the fast windows",
        "just over: the five minutes are clean, the half hour is not",
        "over for longer: both short windows are clean",
        "a young history knows what it covers",
        "too young for the five minutes",
        "young and healthy",
    ],
)
def test_pairs_of_windows(shares: list[float], expected: tuple[State, State]) -> None:
    assert states(minutes(shares)) == expected


def test_too_few_requests_say_nothing_but_are_not_quiet() -> None:
    readings = minutes([0.0] * 395 + [1.0] * 5, rate=3)
    assert states(readings, min_requests=50)[0] is State.UNKNOWN
    assert states(readings, min_requests=10)[0] is State.BURNING


def test_a_history_that_ends_long_ago_says_nothing() -> None:
    readings = minutes([0.0] * 395 + [1.0] * 5)
    assert states(readings, later=FAST.short) == (State.BURNING, State.BURNING)
    assert states(readings, later=FAST.short + 1) == (State.UNKNOWN, State.BURNING)


def test_latency_burns_on_slow_requests_alone() -> None:
    slos = Slos(availability=Availability(objective=99.9), latency=Latency(objective=99, threshold_ms=250))
    readings = [totals(m, m * RATE, 0, m * RATE // 2) for m in range(400)]
    found = {
        (b.slo, b.window): b.state for b in burns(history(readings), slos, (FAST,), 50, readings[-1].at.timestamp())
    }
    assert found == {(Slo.AVAILABILITY, FAST): State.QUIET, (Slo.LATENCY, FAST): State.BURNING}


def test_the_numbers_are_those_of_the_windows() -> None:
    readings = minutes([0.0] * 395 + [0.5] * 5)
    fast, _ = burns(history(readings), SLOS, (FAST, SLOW), 50, readings[-1].at.timestamp())
    assert (fast.short.seconds, fast.short.requests, fast.short.bad) == (300, 500, 250)
    assert fast.short.burn == pytest.approx(500)
    assert (fast.long.seconds, fast.long.requests, fast.long.bad) == (3600, 6000, 250)


def test_a_counter_reset_costs_one_interval_and_not_the_windows_across_it() -> None:
    before = minutes([0.0] * 100 + [0.5] * 3)
    anew = [totals(104 + m, m * RATE, m * RATE // 2, epoch="b") for m in range(4)]
    made = history([*before, *anew])
    now = anew[-1].at.timestamp()
    fast, _ = burns(made, SLOS, (FAST, SLOW), 50, now)
    assert fast.state is State.BURNING
    assert fast.long.bad == 3 * RATE // 2 + 3 * RATE // 2


def test_counters_that_go_backwards_are_never_negative_counts() -> None:
    made = history([*minutes([0.1] * 10), totals(11, 5, 5), totals(12, 105, 10)])
    assert made.over(FAST.long)[1:] == (1000 + 100, 100 + 5, 0)


def test_missing_readings_leave_a_gap_that_the_next_reading_fills() -> None:
    readings: list[Totals | NoData] = list(minutes([0.0] * 100))
    readings += [NoData(service="payments", region="eu", reason="away")] * 3
    made = history([*readings, totals(104, 104 * RATE, 200)])
    assert made.over(FAST.short).errors == 200


def test_a_reading_that_is_not_newer_adds_nothing() -> None:
    made = history(minutes([0.0] * 10))
    assert isinstance(made.add(totals(10, 10 * RATE)), NoData)
    assert made.over(FAST.short).requests == 5 * RATE


def test_a_clock_that_was_set_back_begins_the_history_anew_and_blinds_nobody() -> None:
    made = history([totals(1000, 5000), totals(1001, 5100), *minutes([1.0] * 90)])
    now = made.newest
    assert now is not None
    assert now == totals(90, 0).at.timestamp()
    assert {burn.state for burn in burns(made, SLOS, (FAST, SLOW), 50, now)} == {B}


@given(st.lists(st.tuples(st.floats(1, 400), st.integers(0, 50)), min_size=2, max_size=400))
def test_memory_is_bounded_and_a_window_is_cut_within_its_resolution(steps: list[tuple[float, int]]) -> None:
    made, at, requests = History([HOUR]), 0.0, 0
    instants = [(0.0, 0)]
    made.add(totals(0, 0))
    for seconds, more in steps:
        at, requests = at + seconds, requests + more
        made.add(totals(at / MINUTE, requests))
        instants.append((at, requests))
    covered = made.over(HOUR)
    step = max(seconds for seconds, _ in steps)
    assert covered.seconds <= HOUR + HOUR / RESOLUTION + step + 1
    assert covered.seconds >= min(HOUR, at) - 1
    base = requests - covered.requests
    assert any(abs(at - covered.seconds - then) < 0.01 and base == count for then, count in instants)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1h:5m", "not a pair of windows"),
        ("5m:1h:14.4", "must be the shorter one"),
        ("1h:5x:14.4", '"5x" is not a duration'),
        ("1h:0s:14.4", '"0s" is not a duration'),
        ("1h:5m:many", "a number"),
        ("1h:5m:0", "more than 0"),
        ("1h:5m:2:loud", "one of critical, warning, info"),
    ],
)
def test_windows_that_make_no_sense_are_refused_with_the_cure(text: str, complaint: str) -> None:
    with pytest.raises(SternwayError, match=complaint):
        parse_windows(text)


def test_windows_are_read_and_scaled() -> None:
    fast, ticket = parse_windows("1h:5m:14.4, 3d:6h:1:warning")
    assert fast.scaled(600) == BurnWindow(6, 0.5, 14.4, Severity.CRITICAL)
    assert ticket == BurnWindow(3 * 86400, 6 * 3600, 1, Severity.WARNING)
