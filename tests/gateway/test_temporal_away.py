"""Temporal away: deliveries are taken in, and their incidents begin when it is back, in order and none twice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from models.incident import IncidentState
from tests.gateway.running_gateway import Gateway, a_gateway, alert, message, settings_for
from tests.gateway.temporal_server import TemporalServer, polls
from tests.waiting import until
from workers.deployment.joining import build_of, current_build, describe
from workers.gateway import dispatcher

MANY = 12


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[TemporalServer]:
    """A server that this test may take away."""
    server = TemporalServer(tmp_path)
    yield server
    server.stop()


def trouble(number: int, **labels: str) -> dict[str, Any]:
    """An alert about a service of its own."""
    return alert(f"f{number:02}", service=f"s{number:02}", **labels)


async def started_in_order(temporal: Client, expected: int) -> list[str]:
    """The services' first alerts by the time at which their incidents began."""

    async def all_there() -> bool:
        return (await temporal.count_workflows("WorkflowType = 'Incident'")).count >= expected

    await until(all_there, 20, f"{expected} incidents")
    found = [one async for one in temporal.list_workflows("WorkflowType = 'Incident'")]
    found.sort(key=lambda one: one.start_time)
    return [await first_alert(temporal, one.id, one.run_id) for one in found]


async def first_alert(temporal: Client, key: str, run: str) -> str:
    """A worker that has just begun may not poll for queries yet."""

    async def state() -> IncidentState | None:
        with contextlib.suppress(RPCError):
            return await temporal.get_workflow_handle(key, run_id=run).query("state", result_type=IncidentState)
        return None

    told = await until(state, 10, f"{key} answers")
    assert told is not None
    return told.alerts[0].fingerprint


async def test_what_came_while_temporal_was_never_there_begins_when_it_comes(
    tmp_path: Path, own_server: TemporalServer
) -> None:
    async with a_gateway(settings_for(tmp_path, own_server.port)) as gateway:
        bodies = [message(trouble(number)) for number in range(MANY)]
        for body in bodies:
            answer = await gateway.post(body)
            assert (answer.status_code, answer.json()["duplicate"]) == (202, False)
        assert (await gateway.post(bodies[0])).json()["duplicate"] is True
        assert (await gateway.ask("GET", "/readyz")).json() == {"store": "there", "temporal": "away"}
        own_server.start()
        temporal = await own_server.client()
        await gateway.nothing_waits(30)
        assert await started_in_order(temporal, MANY) == [f"f{number:02}" for number in range(MANY)]
        assert len(gateway.protected.starts) == MANY


async def test_critical_alerts_go_first(tmp_path: Path, own_server: TemporalServer) -> None:
    async with a_gateway(settings_for(tmp_path, own_server.port)) as gateway:
        for number in range(20):
            await gateway.post(message(trouble(number, severity="critical" if number == 19 else "warning")))
        own_server.start()
        await own_server.client()
        await until(lambda: gateway.protected.starts, 15, "the first action")
        assert gateway.protected.starts[0].alerts[0].fingerprint == "f19"
        await gateway.nothing_waits(30)


async def test_a_critical_alert_finds_a_place_in_a_crowd(
    tmp_path: Path, own_server: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "HELD", 6)
    async with a_gateway(settings_for(tmp_path, own_server.port)) as gateway:
        for number in range(MANY):
            await gateway.post(message(trouble(number, severity="critical" if number == MANY - 1 else "warning")))
        own_server.start()
        temporal = await own_server.client()
        await gateway.nothing_waits(30)
        order = await started_in_order(temporal, MANY)
        assert order == [f"f{MANY - 1}", *(f"f{number:02}" for number in range(MANY - 1))]


async def test_a_server_that_went_away_is_used_again(tmp_path: Path, own_server: TemporalServer) -> None:
    own_server.start()
    before = await own_server.client()
    async with a_gateway(settings_for(tmp_path, own_server.port)) as gateway:
        await until(lambda: polls(before), 10, "the gateway's worker polls")
        running = message(alert("before"))
        await gateway.post(running)
        await gateway.nothing_waits()
        own_server.stop()
        assert (await gateway.post({**running, "alerts": [alert("joins")]})).status_code == 202
        for number in range(MANY):
            assert (await gateway.post(message(trouble(number)))).status_code == 202
        own_server.start()
        temporal = await own_server.client()
        await gateway.nothing_waits(60)
        assert await started_in_order(temporal, MANY + 1) == ["before", *(f"f{number:02}" for number in range(MANY))]
        assert (await temporal.count_workflows("WorkflowType = 'Incident'")).count == MANY + 1
        await until(lambda: len(gateway.protected.starts) >= MANY + 1, 20, "every first action")


async def test_a_restarted_gateway_begins_what_the_last_one_could_not(
    tmp_path: Path, own_server: TemporalServer
) -> None:
    settings = settings_for(tmp_path, own_server.port)
    async with a_gateway(settings) as first:
        for number in range(3):
            await first.post(message(trouble(number)))
    own_server.start()
    temporal = await own_server.client()
    async with a_gateway(settings) as second:
        await second.nothing_waits(20)
        assert await started_in_order(temporal, 3) == ["f00", "f01", "f02"]


async def test_what_was_taken_in_before_the_clock_was_set_back_begins_at_once(
    tmp_path: Path, own_server: TemporalServer
) -> None:
    settings = settings_for(tmp_path, own_server.port)
    async with a_gateway(settings) as first:
        await first.post(message(trouble(0)))
        with first.parts.store.engine.begin() as connection:
            later = "strftime('%Y-%m-%d %H:%M:%f', 'now', '+5 hours')"
            connection.exec_driver_sql(f"UPDATE alerts SET received_at = {later}")  # noqa: S608 -- a constant
    own_server.start()
    async with a_gateway(settings) as second:
        await second.nothing_waits(20)


async def test_a_person_hears_that_temporal_is_away(alone: Gateway) -> None:
    answer = await alone.ask("POST", "/v1/incidents", json={"service": "ledger", "reason": "it is slow"})
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")


async def test_a_temporal_that_has_lost_its_database_is_joined_again(
    tmp_path: Path, own_server: TemporalServer
) -> None:
    """Without a current build nobody would run the locks that rollbacks wait for."""
    own_server.start()
    async with a_gateway(settings_for(tmp_path, own_server.port)) as gateway:
        await gateway.parts.connection.client()
        own_server.lose()
        own_server.start()
        temporal = await own_server.client()

        async def current() -> str:
            found = await describe(temporal)
            return current_build(found) if found else ""

        assert await until(current, 30, "a build is current") == build_of(gateway.parts.settings)
