"""When breakers trip on telemetry: by evidence against what was normal, and by what is in flight."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.breaker.engine import LOOKS_CROWDED, Watch
from models.breaker import Trip
from models.catalog import Availability, Breakers, GuardShedding, Latency, MeshShedding, Slos
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
    breakers: Breakers | None = None,
) -> tuple[Trip, ...]:
    """What the last look asks for."""
    watch = Watch("payments", breakers or Breakers(retries=0), SLOS, history)
    found: tuple[Trip, ...] = ()
    for look in looks:
        found = watch.look(look, in_flight)
    return found


@pytest.mark.parametrize(
    ("looks", "history", "trips"),
    [
        ([window(100, 60)], [], True),
        ([window(100, 60)], hour(0.001), True),
        ([window(10, 6)] * 4, [], False),
        ([window(10, 6)] * 5, [], True),
        ([window(100, 4)] * 20, [], False),
        ([window(100, 15)] * 3, hour(0.12), False),
        ([window(100, 15)] * 3, hour(0.001), True),
        ([window(100, slow=40)], hour(0.001), True),
        ([window(100, 30), window(400)], hour(0.001), False),
        ([window(100, 60), NO_DATA], hour(0.001), True),
        ([window(0)], [*hour(0.001)[:-2], window(300, 200), window(300, 200)], True),
        ([NO_DATA], [], False),
        ([window(100, users=100, failed=60)], [], False),
    ],
    ids=[
        "most fail and nobody knows what was normal",
        "most fail and hardly any did before",
        "fewer bad requests than a burst may have",
        "as many as are harm",
        "below the floor of harm",
        "hardly more than is normal for it",
        "far more than is normal for it",
        "slow ones count as well",
        "over again",
        "a source that is away takes no evidence back",
        "it had begun before the look",
        "no data trip nothing",
        "what the fallback answers users is not the service's",
    ],
)
def test_its_own_evidence(looks: list[WindowReading], history: list[Window], trips: bool) -> None:
    found = looked(looks, history)
    assert bool(found) is trips, found
    assert all(trip.tier is Tier.SERVICE for trip in found)


def test_of_healthy_hours_hardly_any_asks_for_a_trip() -> None:
    asked = [bool(looked([window(300, seconds=15)], hour(0.01, seed=seed))) for seed in range(30)]
    assert sum(asked) == 0


CROWD = Breakers(shed=MeshShedding())


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
        (Breakers(shed=MeshShedding(max_requests=7)), [], 7, LOOKS_CROWDED, 7),
        (Breakers(shed=GuardShedding(least_value=5, max_requests=7)), [], 7, LOOKS_CROWDED, 7),
        (Breakers(retries=0), hour(0.001, rate=100), 10_000, LOOKS_CROWDED, None),
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
    breakers: Breakers, history: list[Window], in_flight: int | NoData, looks: int, limit: int | None
) -> None:
    found = looked([window(100)] * looks, history, in_flight, breakers)
    system = [trip for trip in found if trip.tier is Tier.SYSTEM]
    assert [trip.max_requests for trip in system] == ([limit] if limit else [])


def test_without_a_latency_objective_nobody_knows_what_is_too_much() -> None:
    watch = Watch("payments", CROWD, Slos(availability=Availability(objective=99)), hour(0.001))
    assert not any(watch.look(window(100), 10_000) for _ in range(LOOKS_CROWDED))


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400)), max_size=20))
def test_whatever_was_counted_a_trip_says_why(rows: list[tuple[int, int, int]]) -> None:
    looks = [window(requests, min(requests, errors), min(requests, slow)) for requests, errors, slow in rows]
    for trip in looked(looks):
        assert "requests to payments were bad" in trip.because
