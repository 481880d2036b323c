"""Storms: what was acknowledged is handed over, once, whichever gateway dies or is told twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from temporalio.client import Client

from activities.analytics.store import Store, deliveries, open_store
from activities.analytics.store.deliveries import StoredAlert
from models.alert import Alert, AlertStatus, Severity
from models.catalog import Level
from models.identity import correlation_key
from models.incident import IncidentState
from models.settings import Settings
from tests.gateway.running_gateway import (
    ALERTS,
    CATALOG,
    CROWD,
    NO_TLS,
    Gateway,
    a_gateway,
    alert,
    message,
    settings_for,
)
from tests.gateway.temporal_server import TemporalServer
from tests.postgres import Postgres
from tests.waiting import until
from workers.gateway import handover
from workers.gateway.body import AT_ONCE, LIMIT
from workers.gateway.writing import BEHIND
from workers.local.ports import free_ports
from workers.observability.metrics import REGISTRY

CHUNK = 1 << 20


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = Postgres("fsync=off")  # no test cuts the power
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path, temporal_server: TemporalServer) -> Settings:
    settings = settings_for(tmp_path, temporal_server.port)
    if request.param == "sqlite":
        return settings
    server: Postgres = request.getfixturevalue("postgres")
    return settings.model_copy(update={"store_url": server.new_schema()})


async def reckon(store: Store, temporal: Client, expected: int) -> None:
    """Each of the *expected* alerts has one incident, and each service has one that was told of all of its alerts."""
    with store.read() as connection:
        pairs = connection.execute(
            text("SELECT DISTINCT service, fingerprint, incident FROM alerts WHERE state = 'started'")
        ).all()
    assert len({fingerprint for _, fingerprint, _ in pairs}) == len(pairs) == expected
    for service in {service for service, _, _ in pairs}:
        of_it = [(fingerprint, incident) for name, fingerprint, incident in pairs if name == service]
        run = temporal.get_workflow_handle(correlation_key("eu", service, Level.PROTECT))
        state = await run.query("state", result_type=IncidentState)
        assert {incident for _, incident in of_it} == {state.incident}
        assert state.alerts_had == len(of_it)


async def test_two_gateways_in_the_same_storm_lose_and_double_nothing(settings: Settings, temporal: Client) -> None:
    """Every message goes to both at the same moment, as from a pair of Alertmanagers."""
    bodies = [message(alert(f"f{number:03}", service=f"s{number % CROWD:02}")) for number in range(120)]
    async with a_gateway(settings) as one, a_gateway(settings) as other:
        for gateway in (one, other):
            await gateway.parts.connection.client()
        await asyncio.gather(*(_until_accepted(gateway, body) for body in bodies for gateway in (one, other)))
        await one.nothing_waits(60)
        await reckon(one.parts.store, temporal, len(bodies))


async def _until_accepted(gateway: Gateway, body: dict[str, Any]) -> None:
    """As a sender does: a machine that is busy enough asks it to come again."""

    async def accepted() -> bool:
        answer = await gateway.post(body)
        assert answer.status_code in {202, 503}, answer.text
        return answer.status_code == 202

    await until(accepted, 30, "the message is accepted")


async def test_a_large_message_that_both_get_at_once_is_stored_once(settings: Settings, temporal: Client) -> None:
    body = message(*(alert(f"f{number}", service=f"s{number % CROWD:02}") for number in range(1_000)))
    async with a_gateway(settings) as one, a_gateway(settings) as other:
        for gateway in (one, other):
            await gateway.parts.connection.client()
        answers = await asyncio.gather(one.post(body), other.post(body), one.post(body))
        assert [answer.status_code for answer in answers] == [202] * 3
        await one.nothing_waits(60)
        await reckon(one.parts.store, temporal, 1_000)


@asynccontextmanager
async def a_process(folder: Path, settings: Settings, port: int) -> AsyncGenerator[asyncio.subprocess.Process]:
    """The gateway as a process of its own, with the real incident workflow; its catalog leads nowhere."""
    (folder / "catalog.yaml").write_text(CATALOG.text)
    environment = {
        **os.environ,
        "STERNWAY_CATALOG": str(folder / "catalog.yaml"),
        "STERNWAY_STORE_URL": settings.store_url,
        "STERNWAY_TEMPORAL_ADDRESS": settings.temporal_address,
        "STERNWAY_GATEWAY_PORT": str(port),
        "STERNWAY_GATEWAY_TOKEN": "people",
        "STERNWAY_ALERT_TOKENS": json.dumps({"alertmanager": ALERTS}),
    }
    command = [sys.executable, "-m", "workers.cli", "gateway"]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=NO_TLS) as http:

            async def ready() -> bool:
                try:
                    return (await http.get("/readyz")).json()["temporal"] == "there"
                except httpx.TransportError:
                    return False

            await until(ready, 30, "the gateway is ready")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_what_a_killed_gateway_acknowledged_is_handed_over_by_the_next(
    tmp_path: Path, temporal_server: TemporalServer, temporal: Client
) -> None:
    settings, port = settings_for(tmp_path, temporal_server.port), free_ports(1)[0]
    headers = {"Authorization": f"Bearer {ALERTS}"}
    acknowledged: set[str] = set()

    async def send(http: httpx.AsyncClient, number: int) -> None:
        body = message(alert(f"f{number:04}", service=f"s{number % CROWD:02}"))
        try:
            answer = await http.post("/v1/alerts/alertmanager", json=body, headers=headers)
        except httpx.TransportError:
            return
        if answer.status_code == 202:
            acknowledged.add(f"f{number:04}")

    async with (
        a_process(tmp_path, settings, port) as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20, verify=NO_TLS) as http,
    ):
        storm = [asyncio.create_task(send(http, number)) for number in range(400)]
        await until(lambda: len(acknowledged) > 100, 30, "the storm is in its middle")
        process.send_signal(signal.SIGKILL)
        await asyncio.gather(*storm)
    async with a_process(tmp_path, settings, port):
        store = open_store(settings.store_url)
        try:
            await until(lambda: _waiting(store) == 0, 60, "nothing waits")
            with store.read() as connection:
                started = text(
                    "SELECT fingerprint, count(DISTINCT incident) FROM alerts WHERE state = 'started' GROUP BY 1"
                )
                found = dict(tuple(row) for row in connection.execute(started))
        finally:
            store.close()
    assert acknowledged <= found.keys()
    assert set(found.values()) == {1}


def _waiting(store: Store) -> int:
    with store.read() as connection:
        return connection.execute(text("SELECT count(*) FROM alerts WHERE state = 'pending'")).scalar_one()


async def test_while_senders_wait_only_what_is_critical_begins(gateway: Gateway) -> None:
    store, writer = gateway.parts.store, gateway.parts.writer
    go_on = threading.Event()
    waiting = [asyncio.create_task(writer.write(partial(go_on.wait, 20))) for _ in range(2 * BEHIND)]
    await until(lambda: writer.behind, 5, "senders wait")
    offered = stored(store, "warning", "s00", Severity.WARNING), stored(store, "critical", "s01", Severity.CRITICAL)
    gateway.parts.dispatcher.offer(offered)
    await until(lambda: gateway.protected.starts, 10, "the first action")
    assert [start.service for start in gateway.protected.starts] == ["s01"]
    go_on.set()
    await asyncio.gather(*waiting)
    await until(lambda: len(gateway.protected.starts) > 1, 10, "the other first action")
    assert [start.service for start in gateway.protected.starts] == ["s01", "s00"]


def handed_over(severity: str) -> float:
    return REGISTRY.get_sample_value("sternway_gateway_handover_seconds_count", {"severity": severity}) or 0.0


async def test_what_became_of_a_critical_alert_is_noted_before_other_writes(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, writer = gateway.parts.store, gateway.parts.writer
    go_on, done, before, mark = threading.Event(), list[str](), handed_over("critical"), deliveries.mark

    def noted(*what: Any) -> None:
        done.append("noted")
        mark(*what)

    monkeypatch.setattr(deliveries, "mark", noted)
    in_hand = asyncio.create_task(writer.write(partial(go_on.wait, 20)))
    in_turn = asyncio.create_task(writer.write(partial(done.append, "in turn")))
    gateway.parts.dispatcher.offer([stored(store, "critical", "s00", Severity.CRITICAL)])
    await until(lambda: handed_over("critical") > before, 10, "it is handed over, and is to be noted")
    go_on.set()
    await asyncio.gather(in_hand, in_turn)
    await gateway.nothing_waits()
    assert done == ["noted", "in turn"]


def stored(store: Store, fingerprint: str, service: str, severity: Severity) -> StoredAlert:
    """An alert that is durable, and that nobody was told of."""
    now = datetime.now(UTC)
    one = Alert(
        source="alertmanager",
        fingerprint=fingerprint,
        status=AlertStatus.FIRING,
        severity=severity,
        service=service,
        region="eu",
        group="g",
        name="n",
        starts_at=now,
    )
    kept = deliveries.persist(store, deliveries.prepare(store, "alertmanager", b"", fingerprint, now, [one]))
    return deliveries.load_pending(store, kept.alert_ids)[0]


async def test_an_incident_with_a_long_history_is_told_only_of_what_changes_it(
    gateway: Gateway, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = message(alert(severity="critical"))
    await gateway.post(body)
    await gateway.nothing_waits()
    monkeypatch.setattr(handover, "MOST_EVENTS", 1)
    run = temporal.get_workflow_handle(correlation_key("eu", "payments", Level.PROTECT))
    before = await run.query("messages")
    await gateway.post(message(alert("f2", severity="warning")))
    await gateway.nothing_waits()
    with gateway.parts.store.read() as connection:
        incidents = connection.execute(text("SELECT DISTINCT incident FROM alerts")).scalars().all()
    assert len(incidents) == 1
    assert await run.query("messages") == before


def overloaded() -> float:
    labels = {"source": "alertmanager", "result": "overloaded"}
    return REGISTRY.get_sample_value("sternway_gateway_deliveries_total", labels) or 0.0


async def test_more_than_the_memory_may_hold_is_refused_and_counted(alone: Gateway) -> None:
    """One body more than there is room for, each of them held back before its end."""
    go_on, before = asyncio.Event(), overloaded()

    async def held_back() -> AsyncGenerator[bytes]:
        for _ in range(LIMIT // CHUNK):
            yield b" " * CHUNK
        await go_on.wait()

    headers = {"Authorization": f"Bearer {ALERTS}"}
    posting = [
        asyncio.create_task(alone.http.post("/v1/alerts/alertmanager", content=held_back(), headers=headers))
        for _ in range(AT_ONCE // LIMIT + 1)
    ]
    await until(lambda: overloaded() > before, 30, "one of them is refused")
    go_on.set()
    answers = [await answer for answer in posting]
    assert sorted(answer.status_code for answer in answers) == [202] * (AT_ONCE // LIMIT) + [503]
    (refused,) = [answer for answer in answers if answer.status_code == 503]
    assert refused.headers["Retry-After"] == "1"
    assert "send it again" in refused.json()["detail"]
