"""From durable alerts to incidents, with a real Temporal server: each trouble gets one, and no alert is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from activities.analytics.store import deliveries, open_store
from activities.analytics.store.deliveries import StoredAlert
from models.alert import AlertStatus, Severity
from models.catalog import Level
from models.identity import correlation_key
from models.incident import IncidentStart, IncidentState
from models.queues import WORKFLOWS
from tests.gateway.running_gateway import CATALOG, Gateway, a_gateway, alert, message, settings_for
from tests.gateway.temporal_server import TemporalServer
from tests.waiting import until
from workflows.alerts import SHOWN

KEY = correlation_key("eu", "payments", Level.PROTECT)


async def state_of(temporal: Client, key: str) -> IncidentState:
    return await temporal.get_workflow_handle(key).query("state", result_type=IncidentState)


async def end(temporal: Client, key: str) -> None:
    handle = temporal.get_workflow_handle(key)
    await handle.signal("end")

    async def ended() -> bool:
        return (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED

    await until(ended, 10, "the incident has ended")


async def runs(gateway: Gateway, temporal: Client, expected: int) -> int:
    """How many incidents there were under :data:`KEY` since the gateway began; visibility lags a little behind."""
    these = f"WorkflowId = '{KEY}' AND StartTime >= '{gateway.since.isoformat()}'"

    async def count() -> bool:
        return (await temporal.count_workflows(these)).count >= expected

    await until(count, 10, f"{expected} runs of {KEY}")
    return (await temporal.count_workflows(these)).count


async def test_an_alert_begins_an_incident_with_all_that_it_needs(gateway: Gateway, temporal: Client) -> None:
    body = message(alert(severity="warning"), alert("f2"), alert("f3", status="resolved"))
    await gateway.post(body)
    await until(lambda: gateway.protected.starts, 10, "the first action")
    (start,) = gateway.protected.starts
    assert (start.service, start.region, start.severity) == ("payments", "eu", Severity.CRITICAL)
    assert (start.level, start.reason) == (Level.PROTECT, "ErrorsHigh")
    assert (start.catalog, start.peers) == (CATALOG.digest, ("us",))
    assert start.policy == CATALOG.catalog.policy_of("payments")
    assert [one.fingerprint for one in start.alerts] == ["f1", "f2", "f3"]
    assert start.alerts[2].status is AlertStatus.RESOLVED
    assert start.received_at == start.alerts[0].received_at
    await gateway.nothing_waits()
    assert (await state_of(temporal, KEY)).incident == start.incident


async def test_it_is_started_eagerly_on_the_neutral_queue(gateway: Gateway, temporal: Client) -> None:
    body = message(alert())
    await gateway.post(body)
    await gateway.nothing_waits()
    description = await temporal.get_workflow_handle(KEY).describe()
    assert description.task_queue == WORKFLOWS
    history = await temporal.get_workflow_handle(KEY).fetch_history()
    assert history.events[0].workflow_execution_started_event_attributes.eager_execution_accepted
    timeout = history.events[0].workflow_execution_started_event_attributes.workflow_task_timeout
    assert timeout.ToTimedelta().total_seconds() == 2


async def test_what_a_gateway_begins_runs_on_its_build_whichever_is_current(
    gateway: Gateway, temporal_server: TemporalServer, temporal: Client, tmp_path: Path
) -> None:
    """Also what is not urgent, and what may not protect: nobody else may be there to run it."""
    (tmp_path / "other").mkdir()
    settings = settings_for(tmp_path / "other", temporal_server.port, build_id="not-current")
    async with a_gateway(settings) as other:
        await other.post(message(alert(severity="warning")))
        report = {"service": "ledger", "reason": "have a look", "severity": "info", "level": "advise"}
        await other.ask("POST", "/v1/incidents", json=report)
        await until(lambda: len(other.protected.starts) == 2, 15, "both first tasks")
        await other.nothing_waits()
    assert gateway.protected.starts == []


async def test_further_and_resolved_alerts_go_to_the_running_incident(gateway: Gateway, temporal: Client) -> None:
    body = message(alert())
    await gateway.post(body)
    await gateway.nothing_waits()
    await gateway.post({**body, "alerts": [alert(), alert("f2")]})
    await gateway.post({**body, "alerts": [alert(status="resolved"), alert("f2", status="resolved")]})
    await gateway.nothing_waits()
    state = await state_of(temporal, KEY)
    assert [(one.fingerprint, one.status.value) for one in state.alerts] == [
        ("f1", "firing"),
        ("f2", "firing"),
        ("f1", "resolved"),
        ("f2", "resolved"),
    ]
    assert await runs(gateway, temporal, 1) == 1


async def test_a_resolved_alert_begins_nothing(gateway: Gateway, temporal: Client) -> None:
    body = message(alert(status="resolved"))
    await gateway.post(body)
    await gateway.nothing_waits()
    (kept,) = await _stored(gateway, 1)
    assert (kept["state"], kept["reason"]) == ("ignored", "resolved, and no incident was open")
    assert gateway.protected.starts == []


async def test_what_was_resolved_before_an_incident_is_no_news_to_it(gateway: Gateway, temporal: Client) -> None:
    body = message(alert("old", status="resolved"), alert())
    await gateway.post(body)
    await gateway.nothing_waits()
    assert [one.fingerprint for one in (await state_of(temporal, KEY)).alerts] == ["f1"]
    assert [one["state"] for one in await _stored(gateway, 2)] == ["ignored", "started"]


async def test_a_still_firing_alert_after_a_closed_incident_begins_the_next(gateway: Gateway, temporal: Client) -> None:
    body = message(alert())
    await gateway.post(body)
    await gateway.nothing_waits()
    first = (await state_of(temporal, KEY)).incident
    await end(temporal, KEY)
    assert (await gateway.post(body)).json()["duplicate"] is False
    await gateway.nothing_waits()
    second = (await state_of(temporal, KEY)).incident
    assert second != first
    assert await runs(gateway, temporal, 2) == 2


async def test_services_and_regions_have_incidents_of_their_own(gateway: Gateway, temporal: Client) -> None:
    await gateway.post(message(alert(), alert("f2", region="us"), alert("f3", service="ledger", region="")))
    await gateway.nothing_waits()
    await until(lambda: len(gateway.protected.starts) >= 3, 10, "every first action")
    places = sorted((start.service, start.region) for start in gateway.protected.starts)
    assert places == [("ledger", "us"), ("payments", "eu"), ("payments", "us")]


async def test_one_trouble_is_one_incident_whatever_its_sender_groups(gateway: Gateway, temporal: Client) -> None:
    """Errors, latency and burn rate of one service are groups of their own to Alertmanager."""
    for name in ("ErrorsHigh", "LatencyHigh", "BudgetBurns"):
        await gateway.post(message(alert(name, alertname=name)))
    await gateway.nothing_waits()
    (start,) = gateway.protected.starts
    state = await state_of(temporal, KEY)
    assert (state.incident, state.alerts_had) == (start.incident, 3)
    await gateway.post(message(alert("LatencyHigh", alertname="LatencyHigh", status="resolved")))
    await gateway.nothing_waits()
    assert (await state_of(temporal, KEY)).alerts_had == 4
    assert await runs(gateway, temporal, 1) == 1


async def test_what_may_only_advise_takes_no_alert_of_what_may_act(gateway: Gateway, temporal: Client) -> None:
    report = {"service": "payments", "region": "eu", "reason": "have a look", "level": "advise"}
    advised = (await gateway.ask("POST", "/v1/incidents", json=report)).json()
    await gateway.post(message(alert()))
    await gateway.nothing_waits()
    levels = [start.level for start in gateway.protected.starts]
    assert levels == [Level.ADVISE, Level.PROTECT]
    assert advised["workflow"] == correlation_key("eu", "payments", Level.ADVISE)
    joined = (await gateway.ask("POST", "/v1/incidents", json={**report, "level": "protect"})).json()
    assert (joined["state"], joined["workflow"], joined["level"]) == ("joined", KEY, "protect")


async def test_a_message_of_many_alerts_reaches_its_incident_whole(gateway: Gateway, temporal: Client) -> None:
    body = message(*(alert(f"f{number}", detail="x" * 500) for number in range(2_000)))
    await gateway.post(body)
    await gateway.nothing_waits(30)
    state = await state_of(temporal, KEY)
    assert state.alerts_had == 2_000
    assert [one.fingerprint for one in state.alerts] == [f"f{number}" for number in range(SHOWN)]


async def test_two_gateways_with_the_same_delivery_begin_one_incident(
    gateway: Gateway, temporal_server: TemporalServer, temporal: Client
) -> None:
    """They share the store, as a pair of gateways does."""
    import asyncio

    settings = gateway.parts.settings
    async with a_gateway(settings) as other:
        await other.parts.connection.client()
        for _ in range(10):
            body = message(alert(), alert("f2"))
            answers = await asyncio.gather(gateway.post(body), other.post(body))
            assert [answer.status_code for answer in answers] == [202, 202]
            await gateway.nothing_waits()
            assert len((await state_of(temporal, KEY)).alerts) == 2
            await end(temporal, KEY)
        assert await runs(gateway, temporal, 10) == 10
        assert len(gateway.protected.starts) + len(other.protected.starts) == 10


async def test_two_gateways_with_stores_of_their_own_begin_one_incident(
    gateway: Gateway, temporal_server: TemporalServer, temporal: Client, tmp_path: Path
) -> None:
    import asyncio

    (tmp_path / "other").mkdir()
    async with a_gateway(settings_for(tmp_path / "other", temporal_server.port)) as other:
        await other.parts.connection.client()
        body = message(alert())
        await asyncio.gather(gateway.post(body), other.post(body))
        await gateway.nothing_waits()
        await other.nothing_waits()
        assert len(gateway.protected.starts) + len(other.protected.starts) == 1
        assert len((await state_of(temporal, KEY)).alerts) == 1


@pytest.mark.parametrize("ended", [False, True], ids=["still running", "ended in between"])
async def test_a_stop_between_start_and_mark_begins_nothing_twice(
    tmp_path: Path, temporal_server: TemporalServer, temporal: Client, ended: bool
) -> None:
    settings = settings_for(tmp_path, temporal_server.port)
    body = message(alert(), alert("f2"))
    async with a_gateway(settings) as first:
        await first.parts.connection.client()
        _execute(
            settings.store_url, "CREATE TRIGGER no_mark BEFORE UPDATE ON alerts BEGIN SELECT RAISE(FAIL, 'no'); END"
        )
        await first.post(body)
        await until(lambda: first.protected.starts, 10, "the first action")
        began: IncidentStart = first.protected.starts[0]
        assert len((await first.ask("GET", "/v1/alerts?state=pending")).json()) == 2
        if ended:
            await end(temporal, KEY)
    _execute(settings.store_url, "DROP TRIGGER no_mark")
    async with a_gateway(settings) as second:
        await second.nothing_waits(20)
        assert second.protected.starts == []
        assert {one["incident"] for one in await _stored(second, 2)} == {began.incident}
    assert await runs(first, temporal, 1) == 1


async def test_what_an_ended_incident_had_is_told_from_the_rest_by_row(
    gateway: Gateway, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comparison of each alert with each other one takes a minute for ten thousand, and all else waits for it."""
    await gateway.post(message(*(alert(f"f{number}") for number in range(50))))
    await gateway.nothing_waits()
    started = [stored["id"] for stored in await _stored(gateway, 50)]
    _execute(gateway.parts.settings.store_url, "UPDATE alerts SET state = 'pending', incident = NULL")
    alerts = deliveries.load_pending(gateway.parts.store, started)
    await end(temporal, KEY)
    compared = 0

    def count(one: StoredAlert, other: object) -> bool:
        nonlocal compared
        compared += 1
        return one is other

    monkeypatch.setattr(StoredAlert, "__eq__", count)
    seen = await gateway.parts.dispatcher.outcome(alerts[0], 10, suspect=True)
    await gateway.nothing_waits()
    assert seen and not seen.opened
    assert compared <= len(alerts)


def _execute(url: str, statement: str) -> None:
    store = open_store(url)
    with store.engine.connect() as connection:
        connection.exec_driver_sql(statement)
        connection.commit()
    store.close()


async def _stored(gateway: Gateway, count: int) -> list[dict[str, Any]]:
    """The first *count* alerts of the store, as they stand."""
    from sqlalchemy import text

    with gateway.parts.store.read() as connection:
        rows = connection.execute(
            text("SELECT id, state, incident, reason FROM alerts ORDER BY id LIMIT :n"), {"n": count}
        )
        return [dict(row) for row in rows.mappings()]
