"""The overdispersion is never too small by accident: what is unknown is assumed, and the longest bursts count."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.analytics.overdispersion import (
    DEFAULT,
    SPANS,
    TOO_LITTLE,
    WHOLE_SUMS,
    Overdispersion,
    Tally,
    estimate,
    overdispersion,
    undisturbed_until,
)
from models.catalog import Availability, Latency, Slos
from models.telemetry import HISTORY_WINDOWS, Count, NoData, Window, WindowReading

SLOS = Slos(availability=Availability(objective=99), latency=Latency(objective=95, threshold_ms=250))
AWAY = NoData(service="payments", region="eu", reason="Envoy is away")
WHOLE = WHOLE_SUMS * SPANS[-1]
"""The fewest windows of which something is learned."""
ASSUMED = Overdispersion(factor=DEFAULT, assumed=TOO_LITTLE)


def independent(seed: int, windows: int = HISTORY_WINDOWS, requests: int = 300, share: float = 0.02) -> list[Tally]:
    chance = random.Random(seed)
    return [Tally(sum(chance.random() < share for _ in range(requests)), requests) for _ in range(windows)]


def clumped(tallies: list[Tally], size: int) -> list[Tally]:
    return [Tally(tally.bad * size, tally.total * size) for tally in tallies]


def history(arms: dict[str, list[Tally]]) -> list[WindowReading]:
    """Every slow request is a failed one too."""
    return [
        Window(
            service="payments",
            region="eu",
            seconds=15,
            arms={
                arm: Count(requests=t[at].total, errors=t[at].bad, slow=t[at].bad)
                for arm, t in arms.items()
                if at < len(t)
            },
        )
        for at in range(max(map(len, arms.values())))
    ]


@pytest.mark.parametrize("seed", range(5))
def test_independent_events_have_little_more_than_one(seed: int) -> None:
    assert 1 <= estimate(independent(seed)) < 2.2


@pytest.mark.parametrize(("size", "seed"), [(2, 1), (5, 1), (5, 2), (10, 3)])
def test_events_that_come_in_clumps_have_at_least_the_size_of_the_clumps(size: int, seed: int) -> None:
    assert size <= estimate(clumped(independent(seed), size)) < 2.2 * size


def test_bursts_of_many_windows_count_for_more_than_single_windows_show() -> None:
    """The same numbers, in runs of eight windows and then shuffled."""
    spells = [Tally(12 if at // 8 % 4 == 0 else 2, 300) for at in range(HISTORY_WINDOWS)]
    shuffled = spells.copy()
    random.Random(1).shuffle(shuffled)
    assert estimate(spells) > 2 * estimate(shuffled)


@pytest.mark.parametrize(
    "arms",
    [
        {"v1": independent(1, windows=WHOLE - 1)},
        {"v1": independent(1, share=0.001)[:HISTORY_WINDOWS]},
        {"v1": [Tally(0, 300)] * HISTORY_WINDOWS},
        {"v1": [Tally(300, 300)] * HISTORY_WINDOWS},
        {"v1": [Tally(0, 0)] * HISTORY_WINDOWS},
    ],
    ids=["too short", "too few bad ones", "none bad", "all bad", "no requests"],
)
def test_a_history_that_says_too_little_gives_the_default(arms: dict[str, list[Tally]]) -> None:
    assert overdispersion(history(arms), SLOS) == {"availability": ASSUMED, "latency": ASSUMED}


@pytest.mark.parametrize("readings", [[], [AWAY] * 300])
def test_no_history_gives_the_default(readings: list[WindowReading]) -> None:
    assert overdispersion(readings, SLOS) == {"availability": ASSUMED, "latency": ASSUMED}


def test_where_there_is_no_history_it_is_said_why() -> None:
    assert overdispersion(AWAY, SLOS)["latency"] == Overdispersion(factor=DEFAULT, assumed="Envoy is away")


def test_a_short_history_can_raise_the_default_and_not_lower_it() -> None:
    short = clumped(independent(1, windows=60), 10)
    found = overdispersion(history({"v1": short}), SLOS)["availability"]
    assert found == Overdispersion(factor=estimate(short), assumed=TOO_LITTLE)
    assert found.factor > DEFAULT


@pytest.mark.parametrize("windows", [WHOLE, HISTORY_WINDOWS])
def test_a_calm_history_lowers_the_default(windows: int) -> None:
    calm = independent(1, windows)
    found = overdispersion(history({"v1": calm}), SLOS)["availability"]
    assert found == Overdispersion(factor=estimate(calm))
    assert found.factor < DEFAULT


def test_the_burstiest_release_with_a_whole_history_counts_and_a_new_one_does_not() -> None:
    calm, bursty = independent(1), clumped(independent(2), 3)
    new = clumped(independent(3, windows=20), 50)
    found = overdispersion(history({"v1": calm, "v2": bursty, "v3": new}), SLOS)
    assert found["availability"] == Overdispersion(factor=estimate(bursty))


def test_a_deployment_within_the_hour_leaves_no_release_with_a_whole_history() -> None:
    before, after = independent(1, windows=120), independent(2, windows=120)
    readings = [*history({"v1": before}), *history({"v2": after})]
    assert overdispersion(readings, SLOS)["availability"] == ASSUMED


def test_users_are_no_release() -> None:
    assert overdispersion(history({"users": clumped(independent(1), 9)}), SLOS)["availability"] == ASSUMED


def test_windows_without_data_are_passed_over() -> None:
    readings = history({"v1": independent(1)})
    holed = [reading for pair in readings for reading in (pair, AWAY)]
    assert overdispersion(holed, SLOS) == overdispersion(readings, SLOS)


def seen_late(tallies: list[Tally], at: Sequence[int]) -> list[Tally]:
    """The same events by a source that looks at the ends of the windows *at* only; what is left then is not seen."""
    seen, waiting = list[Tally](), Tally(0, 0)
    for window, tally in enumerate(tallies):
        waiting = Tally(waiting.bad + tally.bad, waiting.total + tally.total)
        seen.append(waiting if window in at else Tally(0, 0))
        waiting = Tally(0, 0) if window in at else waiting
    return seen


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "at",
    [
        range(1, HISTORY_WINDOWS, 2),
        range(3, HISTORY_WINDOWS, 4),
        [window for window in range(HISTORY_WINDOWS) if window % 7],
    ],
    ids=["each 30 s", "each minute", "each 15 s, now and then one too late"],
)
def test_a_source_that_looks_less_often_or_beside_the_windows_is_learned_from_all_the_same(
    at: Sequence[int], seed: int, size: int
) -> None:
    events = clumped(independent(seed), size)
    seen = overdispersion(history({"v1": seen_late(events, at)}), SLOS)["availability"]
    assert seen.assumed == ""
    assert size <= seen.factor < 2.2 * size


def test_hours_without_traffic_are_no_history() -> None:
    night = [tally if at < 16 else Tally(0, 0) for at, tally in enumerate(independent(1, requests=3000))]
    assert overdispersion(history({"v1": night}), SLOS)["availability"] == ASSUMED


BEGAN = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("deployed", "until"),
    [(None, 60), (-1, 60), (0, 60), (5, 60), (60, 60), (61, 61), (119, 119), (120, 60), (600, 60)],
)
def test_a_history_ends_before_the_trouble_and_does_not_go_across_the_deployment(
    deployed: int | None, until: int
) -> None:
    """In minutes before the trouble was told of."""
    deployed_at = None if deployed is None else BEGAN - timedelta(minutes=deployed)
    assert undisturbed_until(BEGAN, deployed_at) == BEGAN - timedelta(minutes=until)


def test_an_outage_within_the_history_makes_every_evidence_weak() -> None:
    assert estimate([*independent(1), *[Tally(300, 300)] * 4]) > 50


@given(st.lists(st.integers(0, 9).flatmap(lambda n: st.builds(Tally, bad=st.integers(0, n), total=st.just(n)))))
def test_it_is_a_finite_number_of_at_least_one_whatever_is_given(tallies: list[Tally]) -> None:
    assert 1 <= estimate(tallies) < float("inf")
