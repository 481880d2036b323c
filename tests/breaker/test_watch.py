"""When breakers trip on telemetry: by evidence against what was normal, and by what is in flight."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.breaker.engine import LOOKS_CROWDED, Watch
from models.breaker import Trip
from models.catalog import Availability, BreakerPolicy, GuardShedding, Latency, MeshShedding, Slos
from models.intent import Tier
from models.telemetry import HISTORY_WINDOW_SECONDS, HISTORY_WINDOWS, USERS, Count, NoData, Window, WindowReading

SLOS = Slos(availability=Availability(objective=99.9), latency=Latency(objective=99, threshold_ms=250))
NO_DATA = NoData(service="payments", region="eu", reason="the source is away")


def window(requests: int, errors: int = 0, slow: int = 0, seconds: float = 1, **users: int) -> Window:
    arms = {"v2": Count(requests=requests, errors=errors, slow=slow)}
    if users:
        arms[USERS] = Count(requests=users["users"], errors=users.get("failed", 0), slow=0)
    return Window(service="payments", region="eu", seconds=seconds, arms=arms)


def hour(share: float, rate: float = 20, seed: int = 1) -> list[Window]:
    """Each request fails with probability *share*."""
    random, calls = Random(seed), int(rate * HISTORY_WINDOW_SECONDS)
    return [
        window(calls, sum(random.random() < share for _ in range(calls)), seconds=HISTORY_WINDOW_SECONDS)
        for _ in range(HISTORY_WINDOWS)
    ]


def looked(
    looks: Sequence[WindowReading],
    history: Sequence[WindowReading] = (),
    in_flight: int | NoData = 0,
    breakers: BreakerPolicy | None = None,
) -> tuple[Trip, ...]:
    """What the last look asks for."""
    watch = Watch("payments", breakers or BreakerPolicy(retries=0), SLOS, history)
    found: tuple[Trip, ...] = ()
    for look in looks:
        found = watch.look(look, in_flight)
    return found


def seconds(number: int, requests: int, errors: int = 0, slow: int = 0) -> list[Window]:
    return [window(requests, errors, slow)] * number


@pytest.mark.parametrize(
    ("looks", "history", "trips"),
    [
        (seconds(2, 100, 100), hour(0.001), True),
        (seconds(4, 100, 60), hour(0.001), True),
        (seconds(8, 100, 60), [], True),
        (seconds(6, 5, 3), [], False),
        (seconds(15, 5, 3), [], True),
        (seconds(60, 100, 4), [], False),
        (seconds(60, 100, 15), hour(0.12, rate=100), False),
        (seconds(15, 100, 25), hour(0.001, rate=100), True),
        (seconds(15, 100, slow=40), hour(0.001), True),
        ([window(100, 60), *seconds(14, 100)], hour(0.001), False),
        ([*seconds(8, 100, 60), NO_DATA], [], False),
        ([window(0)], [*hour(0.001)[:-2], window(300, 200, seconds=15), window(300, 200, seconds=15)], False),
        ([NO_DATA], [], False),
        ([window(100, users=100, failed=60)] * 15, [], False),
    ],
    ids=[
        "all fail",
        "most fail and hardly any did before",
        "most fail and nobody knows what was normal",
        "fewer bad requests than a burst may have",
        "as many as are harm",
        "below the floor of harm",
        "hardly more than is normal for it",
        "far more than is normal for it",
        "slow ones count as well",
        "a burst that is over again",
        "no data say nothing, whatever was before",
        "nor do old trouble and no requests",
        "no data at all",
        "what the fallback answers users is not the service's",
    ],
)
def test_its_own_evidence(looks: list[WindowReading], history: list[Window], trips: bool) -> None:
    found = looked(looks, history)
    assert bool(found) is trips, found
    assert all(trip.tier is Tier.SERVICE for trip in found)


def trips_within(
    minutes: int, share: float, history: Sequence[Window], slos: Slos = SLOS, *, slow: bool = False
) -> bool:
    """Whether a watch second by second, of a service at 50 requests a second, ever asks for a trip."""
    watch, random = Watch("payments", BreakerPolicy(retries=0), slos, history), Random(7)
    for _ in range(60 * minutes):
        bad = sum(random.random() < share for _ in range(50))
        if watch.look(window(50, 0 if slow else bad, bad if slow else 0), 0):
            return True
    return False


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1])
def test_a_healthy_service_is_watched_for_minutes_and_never_trips(share: float) -> None:
    assert not any(trips_within(5, share, hour(share, rate=50, seed=seed)) for seed in range(5))


@pytest.mark.parametrize("objective", [50, 70, 80, 90, 95, 99])
@pytest.mark.parametrize("known", [True, False])
def test_what_an_objective_allows_is_no_harm(objective: float, known: bool) -> None:
    slos = Slos(availability=Availability(objective=99.9), latency=Latency(objective=objective, threshold_ms=250))
    allowed = (100 - objective) / 100
    history = slow_hour(allowed) if known else []
    assert not trips_within(5, 0.95 * allowed, history, slos, slow=True)


def slow_hour(share: float) -> list[Window]:
    return [window(750, 0, round(750 * share * 0.8), seconds=15) for _ in range(HISTORY_WINDOWS)]


@pytest.mark.parametrize("rate", [50, 100, 300])
def test_bursts_that_come_every_minute_are_normal_however_short_a_look_is(rate: int) -> None:
    """Thirty failures in one second of each minute: in windows of the history a few percent, in one look all of it."""
    calls = rate * HISTORY_WINDOW_SECONDS
    history = [window(calls, 30 * (place % 4 == 0), seconds=15) for place in range(HISTORY_WINDOWS)]
    watch = Watch("payments", BreakerPolicy(retries=0), SLOS, history)
    assert not [second for second in range(300) if watch.look(window(rate, 30 * (second % 60 == 7)), 0)]


CROWD = BreakerPolicy(shed=MeshShedding())


@pytest.mark.parametrize(
    ("breakers", "history", "in_flight", "looks", "limit"),
    [
        (CROWD, hour(0.001, rate=100), 50, LOOKS_CROWDED, 50),
        (CROWD, hour(0.001, rate=100), 50, LOOKS_CROWDED - 1, None),
        (CROWD, hour(0.001, rate=100), 49, LOOKS_CROWDED, None),
        (CROWD, hour(0.001, rate=2), 10, LOOKS_CROWDED, 10),
        (CROWD, [*hour(0.001, rate=100), window(30_000, 15_000, seconds=15)], 50, LOOKS_CROWDED, 50),
        (CROWD, [], 10_000, LOOKS_CROWDED, None),
        (CROWD, hour(0.001, rate=100), NO_DATA, LOOKS_CROWDED, None),
        (BreakerPolicy(shed=MeshShedding(max_requests=7)), [], 7, LOOKS_CROWDED, 7),
        (BreakerPolicy(shed=GuardShedding(least_value=5, max_requests=7)), [], 7, LOOKS_CROWDED, 7),
        (BreakerPolicy(retries=0), hour(0.001, rate=100), 10_000, LOOKS_CROWDED, None),
    ],
    ids=[
        "twice what the busiest window had",
        "for a moment only",
        "just below",
        "few are never a limit",
        "what came in during trouble is no measure",
        "nobody knows what is usual",
        "what is in flight is not known",
        "the policy says how many",
        "and for guards as well",
        "the policy does not ask",
    ],
)
def test_saturation(
    breakers: BreakerPolicy, history: list[Window], in_flight: int | NoData, looks: int, limit: int | None
) -> None:
    found = looked([window(100)] * looks, history, in_flight, breakers)
    system = [trip for trip in found if trip.tier is Tier.SYSTEM]
    assert [trip.max_requests for trip in system] == ([limit] if limit else [])


@pytest.mark.parametrize("every", [1, 2, 4])
def test_a_source_that_looks_seldom_shows_no_more_in_flight(every: int) -> None:
    """A minute's scrape puts the requests of four windows into one."""
    history = [
        window(1500 * every if place % every == every - 1 else 0, seconds=15) for place in range(HISTORY_WINDOWS)
    ]
    assert Watch("payments", CROWD, SLOS, history).limit == 50


def test_a_gap_in_the_history_shows_no_more_in_flight() -> None:
    quiet: list[WindowReading] = [*hour(0, rate=100)]
    quiet[40:43] = [NO_DATA] * 3
    quiet[43] = window(4 * 1500, seconds=15)
    quiet[80:83] = [window(0, seconds=15)] * 3
    quiet[83] = window(4 * 1500, seconds=15)
    assert Watch("payments", CROWD, SLOS, quiet).limit == 50


def test_one_sample_is_looked_at_once_however_often_it_is_asked_for() -> None:
    watch = Watch("payments", CROWD, SLOS, hour(0, rate=100))
    assert not any(watch.look(reading, 10_000) for reading in [window(100), *[NO_DATA] * 20, window(1500)])
    assert watch.look(window(1500), 10_000)


def test_without_a_latency_objective_nobody_knows_what_is_too_much() -> None:
    watch = Watch("payments", CROWD, Slos(availability=Availability(objective=99)), hour(0.001))
    assert not any(watch.look(window(100), 10_000) for _ in range(LOOKS_CROWDED))


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400)), max_size=20))
def test_whatever_was_counted_a_trip_says_why(rows: list[tuple[int, int, int]]) -> None:
    looks = [window(requests, min(requests, errors), min(requests, slow)) for requests, errors, slow in rows]
    for trip in looked(looks):
        assert trip.because.startswith("payments: ")
        assert "requests failed" in trip.because or "requests were slower than 250 ms" in trip.because
