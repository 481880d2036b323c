"""A store that cannot write: the sender is asked to come again, and nothing counts as seen."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from activities.analytics.store import StoreUnavailable, deliveries
from tests.gateway.running_gateway import Gateway, alert, message
from tests.waiting import until
from workers.gateway import dispatcher


def _file(gateway: Gateway) -> str:
    return gateway.parts.settings.store_url.removeprefix("sqlite:///")


async def test_a_locked_store_answers_503_and_the_repeat_is_no_duplicate(alone: Gateway) -> None:
    body = message(alert())
    with closing(sqlite3.connect(_file(alone), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = await alone.post(body)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert "send it again" in answer.json()["detail"]
        other.execute("ROLLBACK")
    assert (await alone.ask("GET", "/v1/alerts?state=pending")).json() == []
    again = await alone.post(body)
    assert (again.status_code, again.json()["duplicate"]) == (202, False)
    assert (
        'deliveries_total{result="store-unavailable",source="alertmanager"}'
        in (await alone.ask("GET", "/metrics")).text
    )


async def test_senders_that_queue_behind_a_locked_store_hear_so_in_time(alone: Gateway) -> None:
    import asyncio
    import time

    with closing(sqlite3.connect(_file(alone), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        answers = await asyncio.gather(*(alone.post(message(alert(f"f{number}"))) for number in range(20)))
        assert {answer.status_code for answer in answers} == {503}
        assert time.monotonic() - began < 10  # each alone would have waited for two seconds
        other.execute("ROLLBACK")


async def test_a_full_disk_answers_503_and_nothing_is_seen(alone: Gateway) -> None:
    """A store that may grow no further behaves as on a full disk."""
    body = message(*(alert(f"f{number}", detail="x" * 2_000) for number in range(200)))
    engine = alone.parts.store.engine
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    limited = f"PRAGMA max_page_count={pages + 4}"

    from sqlalchemy import event

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(limited)

    event.listen(engine, "checkout", limit)
    try:
        assert (await alone.post(body)).status_code == 503
    finally:
        limited = "PRAGMA max_page_count=1073741823"
    assert (await alone.ask("GET", "/v1/alerts?state=pending")).json() == []
    again = await alone.post(body)
    assert (again.status_code, again.json()["duplicate"], again.json()["alerts"]) == (202, False, 200)


async def test_what_could_not_be_noted_is_noted_soon_after_the_store_is_back(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then alerts of that trouble wait, so that it is not tried ever more rarely, as for one lane's own fault."""
    monkeypatch.setattr(dispatcher, "FIRST_PAUSE", 30.0)
    mark, away = deliveries.mark, [StoreUnavailable("the store is away")]

    def away_at_first(*what: Any) -> None:
        if away:
            raise away.pop()
        mark(*what)

    monkeypatch.setattr(deliveries, "mark", away_at_first)
    await gateway.post(message(alert()))
    await until(lambda: not away, 10, "it could not be noted")
    await gateway.nothing_waits(10)


async def test_metrics_show_what_is_unknown_as_unknown(alone: Gateway) -> None:
    with closing(sqlite3.connect(_file(alone), isolation_level=None)) as other:
        other.execute("ALTER TABLE alerts RENAME TO away")
        metrics = await alone.ask("GET", "/metrics")
        assert metrics.status_code == 200
        assert 'sternway_gateway_alerts{severity="critical",state="pending"} NaN' in metrics.text
        assert (await alone.http.get("/readyz")).status_code == 503
