"""Each interval of a region is kept once, with the counts at which the next one begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from activities.analytics.store import Store, ticks
from activities.analytics.store.ticks import KEPT, Tick
from models.telemetry import Count, Signals

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST = int(NOW.timestamp()) // 60


def signals(requests: int, service: str = "payments", minute: int = 0) -> Signals:
    return Signals(
        service=service,
        region="eu",
        at=NOW + timedelta(minutes=minute),
        epoch="e",
        slow_ms=None,
        users=Count(requests=requests, errors=0, slow=0),
        timed=requests,
        times=((10.0, requests),),
        in_flight=0,
    )


def tick(number: int, **samples: tuple[float | None, ...] | str) -> Tick:
    return Tick(number=FIRST + number, at=NOW + timedelta(minutes=number), samples=samples)


def test_an_interval_is_kept_once_and_a_second_try_changes_nothing(store: Store) -> None:
    first = tick(0, payments=(1.0, 2.5, None), ledger="it is away")
    assert ticks.keep(store, "eu", 60, first, {"payments": signals(10)})
    assert not ticks.keep(store, "eu", 60, tick(0, payments="later"), {"payments": signals(99)})
    assert ticks.ticks(store, "eu", 60, 0, 10) == [first]
    assert ticks.latest_signals(store, "eu", 60) == {"payments": signals(10)}


def test_counts_of_a_service_that_is_away_stay_until_it_is_back(store: Store) -> None:
    ticks.keep(store, "eu", 60, tick(0), {"payments": signals(10), "ledger": signals(5, "ledger")})
    ticks.keep(store, "eu", 60, tick(1, payments=(1.0,), ledger="away"), {"payments": signals(20, minute=1)})
    assert ticks.latest_signals(store, "eu", 60) == {
        "payments": signals(20, minute=1),
        "ledger": signals(5, "ledger"),
    }


def test_counts_of_a_service_that_is_asked_no_more_are_forgotten(store: Store) -> None:
    ticks.keep(store, "eu", 60, tick(0, ledger="first"), {"ledger": signals(5, "ledger")})
    ticks.keep(store, "eu", 60, tick(1, payments="first"), {"payments": signals(10)})
    assert ticks.latest_signals(store, "eu", 60) == {"payments": signals(10)}


def test_an_attempt_that_comes_late_puts_no_older_counts_back(store: Store) -> None:
    ticks.keep(store, "eu", 60, tick(2, payments=(1.0,)), {"payments": signals(30, minute=2)})
    ticks.keep(store, "eu", 60, tick(1, payments=(1.0,)), {"payments": signals(20, minute=1)})
    assert ticks.latest_signals(store, "eu", 60) == {"payments": signals(30, minute=2)}


def test_regions_and_intervals_are_apart(store: Store) -> None:
    ticks.keep(store, "eu", 60, tick(0), {"payments": signals(10)})
    assert ticks.latest_signals(store, "us", 60) == ticks.latest_signals(store, "eu", 300) == {}
    assert ticks.ticks(store, "us", 60, 0, 10) == ticks.ticks(store, "eu", 300, 0, 10) == []
    assert ticks.latest(store, "eu", 300) is None


def test_intervals_are_read_in_their_order_and_in_portions(store: Store) -> None:
    for number in (0, 2, 1, 5):
        ticks.keep(store, "eu", 60, tick(number), {})
    read = ticks.ticks(store, "eu", 60, FIRST, 2)
    assert [one.number - FIRST for one in read] == [1, 2]
    latest = ticks.latest(store, "eu", 60)
    assert latest is not None
    assert latest.number == FIRST + 5


def test_what_was_predicted_first_stays(store: Store) -> None:
    ticks.keep(store, "eu", 60, tick(0), {})
    ticks.predicted(store, "eu", 60, FIRST, 3, {"payments": 0.25}, {"ledger": "it is young"})
    ticks.predicted(store, "eu", 60, FIRST, 4, {"payments": 0.5}, {})
    kept = ticks.latest(store, "eu", 60)
    assert kept is not None
    assert (kept.model, kept.probabilities) == (3, {"payments": 0.25})
    assert kept.abstained == {"ledger": "it is young"}


def test_why_no_model_predicts_is_noted(store: Store) -> None:
    ticks.keep(store, "eu", 60, tick(0), {})
    ticks.predicted(store, "eu", 60, FIRST, None, {}, {"payments": "no model predicts yet"})
    ticks.predicted(store, "eu", 60, FIRST, 4, {"payments": 0.5}, {})
    kept = ticks.latest(store, "eu", 60)
    assert kept is not None
    assert (kept.model, kept.probabilities, kept.abstained) == (None, {}, {"payments": "no model predicts yet"})


def daily(day: int) -> Tick:
    return Tick(number=FIRST // 1440 + day, at=NOW + timedelta(days=day), samples={})


def test_what_is_older_than_five_weeks_is_forgotten(store: Store) -> None:
    ticks.keep(store, "eu", 60, tick(0), {})  # of an interval that was asked for before
    for day in range(KEPT.days + 2):
        ticks.keep(store, "eu", 86_400, daily(day), {})
    kept = [one.number - FIRST // 1440 for one in ticks.ticks(store, "eu", 86_400, 0, 100)]
    assert kept == list(range(2, KEPT.days + 2))
    assert ticks.ticks(store, "eu", 60, 0, 10) == []


def test_a_clock_that_is_ahead_for_a_while_costs_no_more_than_it_has_added(store: Store) -> None:
    for day in (*range(30), 900, 901):
        ticks.keep(store, "eu", 86_400, daily(day), {})
    assert len(ticks.ticks(store, "eu", 86_400, 0, 100)) == 32
