"""``sternway incidents`` against a gateway with a recorded incident."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner, Result

from activities.analytics.store.journal import append
from models.base import SternwayError
from models.journal import JournalEntry, Started, StepReported
from tests.gateway.running_gateway import PEOPLE, Gateway, alert, message
from tests.waiting import until
from workers.cli.main import app

Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def run(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command in a thread: the gateway runs in this one."""
    monkeypatch.setenv("STERNWAY_GATEWAY_URL", str(gateway.http.base_url))
    monkeypatch.setenv("STERNWAY_GATEWAY_TOKEN", PEOPLE)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: asyncio.to_thread(CliRunner().invoke, app, ["incidents", *words])


@pytest.fixture
async def incident(gateway: Gateway) -> str:
    """An incident that runs, and whose journal has begun."""
    await gateway.post(message(alert()))
    await until(lambda: gateway.protected.starts, 10, "the first action")
    await gateway.nothing_waits()
    (start,) = gateway.protected.starts
    shown = (await gateway.ask("GET", f"/v1/incidents/{start.incident}")).json()
    now = datetime.now(UTC)
    entries = [
        ("incident-started", Started(**dict(start), workflow=shown["workflow"])),
        ("step", StepReported(step="route", title="Route [red]all[/red] to v1", module="mesh", status="done")),
    ]
    journal = [
        JournalEntry(
            incident=start.incident,
            source=shown["workflow"],
            source_seq=number,
            kind=kind,
            at=now,
            payload=payload.model_dump(mode="json"),
        )
        for number, (kind, payload) in enumerate(entries)
    ]
    append(gateway.parts.store, journal)
    return start.incident


async def test_list_and_show_tell_what_was_recorded(run: Run, incident: str) -> None:
    listed = await run("list", "--open")
    assert incident in listed.output
    assert "payments" in listed.output
    assert [row["id"] for row in json.loads((await run("list", "--json")).output)] == [incident]
    shown = (await run("show", incident)).output
    assert "Route [red]all[/red] to v1" in shown
    assert "/namespaces/default/workflows/" in shown
    as_json = json.loads((await run("show", incident, "--json")).output)
    assert as_json["steps"][0]["record"]["status"] == "done"


async def test_a_pause_is_shown_with_who_said_so_beside_the_phase(run: Run, gateway: Gateway, incident: str) -> None:
    said = {"action": "pause", "by": "ada", "reason": "a deploy is running"}
    at = datetime.now(UTC) - timedelta(minutes=5)
    paused = JournalEntry(incident=incident, source="word", source_seq=0, kind="operator", at=at, payload=said)
    append(gateway.parts.store, [paused])
    assert "protecting, paused by ada 5 min ago" in (await run("list")).output
    assert (
        f"paused by ada 5 min ago ({at.isoformat().replace('+00:00', 'Z')}): a deploy is running"
        in (await run("show", incident)).output
    )
    (listed,) = (await gateway.ask("GET", "/v1/incidents")).json()
    assert (listed["phase"], listed["paused"]["by"]) == ("protecting", "ada")


async def test_a_persons_word_reaches_the_incident_or_is_refused_with_its_reason(run: Run, incident: str) -> None:
    refused = await run("approve", incident, "--by", "ada")
    assert "nothing waits for ada" in str(refused.exception)
    done = await run("abort", incident, "--by", "ada", "--reason", "false alarm")
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, f"{incident}: aborted by ada")


async def test_whom_the_machine_has_no_name_for_is_asked_for_one(
    run: Run, incident: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 10001")

    monkeypatch.setattr("getpass.getuser", nameless)
    refused = await run("abort", incident)
    assert isinstance(refused.exception, SternwayError)
    assert "say it with --by NAME" in str(refused.exception)
    assert (await run("abort", incident, "--by", "a person")).exit_code == 0


async def test_an_approval_of_a_stage_names_it_and_is_not_one_of_the_plan(run: Run, incident: str) -> None:
    said = await run("approve", incident, "--by", "ada", "--stage", "payments/retire", "--plan", "5f0c")
    assert said.output.splitlines()[-1] == f"{incident}: ada approved retire of payments, plan 5f0c"
    for nothing in ("retire", "/retire", "payments/"):
        refused = await run("approve", incident, "--by", "ada", "--stage", nothing)
        assert f'"{nothing}" names no stage; give SERVICE/STAGE' in str(refused.exception)


async def test_a_retry_is_a_word_of_its_own(run: Run, incident: str) -> None:
    said = await run("retry", incident, "--reason", "the registry is back")
    assert said.output.splitlines()[-1] == f"{incident}: trying again: the registry is back"


async def test_a_wrong_token_and_an_absent_gateway_name_the_cure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STERNWAY_GATEWAY_TOKEN", "wrong")
    assert "STERNWAY_GATEWAY_TOKEN" in str((await run("list")).exception)
    monkeypatch.setenv("STERNWAY_GATEWAY_URL", "http://127.0.0.1:1")
    assert "start it with `sternway gateway`" in str((await run("list")).exception)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("{host}", "{host}, which is no gateway's URL; write http://HOST:PORT"),
        ("http://{host}/elsewhere", "what answers at http://{host}/elsewhere is no gateway"),
    ],
)
async def test_a_url_that_is_no_gateways_is_said_to_be_none(
    run: Run, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, url: str, why: str
) -> None:
    host = f"localhost:{gateway.http.base_url.port}"
    monkeypatch.setenv("STERNWAY_GATEWAY_URL", url.format(host=host))
    assert why.format(host=host) in str((await run("list")).exception)


@pytest.mark.parametrize("limit", ["0", "-3", "5000"])
async def test_a_limit_that_cannot_be_is_refused_as_in_every_list(run: Run, limit: str) -> None:
    assert (await run("list", "--limit", limit)).exit_code == 2


async def test_metrics_count_open_incidents(gateway: Gateway, incident: str) -> None:
    metrics = (await gateway.ask("GET", "/metrics")).text
    assert 'sternway_incidents_active{phase="protecting",severity="critical"} 1.0' in metrics
    assert 'sternway_gateway_alerts_handed_over_total{result="opened"}' in metrics
