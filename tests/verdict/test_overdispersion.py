"""The overdispersion is never too small by accident: what is unknown is assumed, and the longest bursts count."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.analytics.overdispersion import DEFAULT, WHOLE_WINDOWS, Tally, estimate, overdispersion
from models.catalog import Availability, Latency, Slos
from models.telemetry import Count, NoData, Window, WindowReading

SLOS = Slos(availability=Availability(objective=99), latency=Latency(objective=95, threshold_ms=250))
AWAY = NoData(service="payments", region="eu", reason="Envoy is away")


def independent(seed: int, windows: int = WHOLE_WINDOWS, requests: int = 300, share: float = 0.02) -> list[Tally]:
    chance = random.Random(seed)  # noqa: S311 -- made-up traffic
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
    spells = [Tally(12 if at // 8 % 4 == 0 else 2, 300) for at in range(WHOLE_WINDOWS)]
    shuffled = spells.copy()
    random.Random(1).shuffle(shuffled)  # noqa: S311 -- made-up traffic
    assert estimate(spells) > 2 * estimate(shuffled)


@pytest.mark.parametrize(
    "arms",
    [
        {"v1": independent(1, windows=WHOLE_WINDOWS - 1)},
        {"v1": independent(1, share=0.001)[:WHOLE_WINDOWS]},
        {"v1": [Tally(0, 300)] * WHOLE_WINDOWS},
        {"v1": [Tally(300, 300)] * WHOLE_WINDOWS},
        {"v1": [Tally(0, 0)] * WHOLE_WINDOWS},
    ],
    ids=["too short", "too few bad ones", "none bad", "all bad", "no requests"],
)
def test_a_history_that_says_too_little_gives_the_default(arms: dict[str, list[Tally]]) -> None:
    assert overdispersion(history(arms), SLOS) == {"availability": DEFAULT, "latency": DEFAULT}


@pytest.mark.parametrize("readings", [[], [AWAY] * 300])
def test_no_history_gives_the_default(readings: list[WindowReading]) -> None:
    assert overdispersion(readings, SLOS) == {"availability": DEFAULT, "latency": DEFAULT}


def test_a_short_history_can_raise_the_default_and_not_lower_it() -> None:
    short = clumped(independent(1, windows=60), 10)
    assert overdispersion(history({"v1": short}), SLOS)["availability"] == estimate(short) > DEFAULT


def test_the_burstiest_release_with_a_whole_history_counts_and_a_new_one_does_not() -> None:
    calm, bursty = independent(1), clumped(independent(2), 3)
    new = clumped(independent(3, windows=20), 50)
    found = overdispersion(history({"v1": calm, "v2": bursty, "v3": new}), SLOS)
    assert found["availability"] == estimate(bursty)


def test_users_are_no_release() -> None:
    assert overdispersion(history({"users": clumped(independent(1), 9)}), SLOS)["availability"] == DEFAULT


def test_windows_without_data_are_passed_over() -> None:
    readings = history({"v1": independent(1)})
    holed = [reading for pair in readings for reading in (pair, AWAY)]
    assert overdispersion(holed, SLOS) == overdispersion(readings, SLOS)


def test_an_outage_within_the_history_makes_every_evidence_weak() -> None:
    assert estimate([*independent(1), *[Tally(300, 300)] * 4]) > 50


@given(st.lists(st.integers(0, 9).flatmap(lambda n: st.builds(Tally, bad=st.integers(0, n), total=st.just(n)))))
def test_it_is_a_finite_number_of_at_least_one_whatever_is_given(tallies: list[Tally]) -> None:
    assert 1 <= estimate(tallies) < float("inf")
