"""``sternway plan``: the plan that an incident would make, from a world that is only read."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from activities.analytics.store import migrate, open_store
from activities.analytics.store.journal import append
from activities.rollback.plan import make_plan
from activities.rollback.situation import situation
from activities.rollback.state import read_state
from models.assessment import Assessment
from models.catalog import Level
from models.identity import correlation_key
from models.plan import Plan
from models.said import Said
from tests.store.journal_entries import held
from tests.world.world import CATALOG, World
from workers.dry_run import INCIDENT

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    """As after the deployment of v2."""
    world = World(tmp_path_factory.mktemp("world"))
    try:
        await world.start()
        await world.serve_v2()
        yield world
    finally:
        world.stop()


@dataclass
class Answer:
    status: int
    out: str
    err: str


async def sternway_plan(environment: dict[str, str], message: object, *more: str) -> Answer:
    """``sternway plan --alert -`` with this message."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workers.cli", "plan", "--alert", "-", *more),
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(json.dumps(message).encode()), 60)
    return Answer(process.returncode or 0, out.decode(), err.decode())


def message(*services: str, status: str = "firing") -> dict[str, Any]:
    alerts = [
        {
            "status": status,
            "labels": {"alertname": "ErrorsHigh", "service": service, "severity": "critical"},
            "startsAt": "2026-01-31T12:00:00Z",
            "fingerprint": service,
        }
        for service in services
    ]
    return {"version": "4", "receiver": "sternway", "groupKey": "g", "status": status, "alerts": alerts}


def contents(folder: Path) -> dict[str, list[str]]:
    """Every row of every database in *folder*, and which files there are."""
    found = {"files": sorted(str(file) for file in folder.rglob("*.db"))}
    for file in found["files"]:
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
            found[file] = list(database.iterdump())
    return found


async def test_it_shows_the_plan_that_an_incident_would_make(world: World) -> None:
    said = await sternway_plan(world.environment, message("payments"), "--json")

    assert said.status == 0, said.err
    (incident,) = json.loads(said.out)["incidents"]
    state = await read_state(world.directory, world.scope())
    assessment = Assessment.model_validate(incident["assessment"])
    now = datetime.now(UTC)
    found = situation("payments", [state], assessment, Said(began_at=now), now)
    expected = make_plan(INCIDENT, world.catalog.catalog, found, protected=True)
    shown = Plan.model_validate({name: value for name, value in incident["plan"].items() if name != "hash"})
    assert shown.rollback and expected.rollback
    assert (shown.rollback.services, shown.rollback.waves) == (expected.rollback.services, expected.rollback.waves)
    assert [(step.id, step.depends_on) for step in shown.steps] == [(one.id, one.depends_on) for one in expected.steps]
    assert shown.hash == incident["plan"]["hash"]
    assert incident["state"] == {**state.model_dump(mode="json"), "fingerprint": state.fingerprint()}
    assert incident["workflow"] == correlation_key("eu", "payments", Level.FULL)
    assert (incident["level"], incident["severity"]) == ("full", "critical")
    assert incident["assessment"]["spread"]["sentence"] == "no service of the catalog depends on payments in eu"


async def test_people_read_the_first_action_stages_gates_rules_and_hash(world: World) -> None:
    said = await sternway_plan(world.environment, message("payments"))

    state = await read_state(world.directory, world.scope())
    for expected in (
        "first: 50% of the requests to payments go to its fallback, for 5 s at a time",
        "immediate rollback of payments in eu from v2 to v1",
        "stage retire",
        "holds unless 1 replicas of v1 are ready within 20 s",
        "gate: v1 meets its objectives on at least 10 requests for 1 s, 4 s more on doubt",
        "not by rule 7 sure and urgent: it is not sure that the release is the cause",
        "expected: traffic has left the bad release within 40 s (the limits of its checks and gates;",
        "not by rule 1 no way back: v1 was deployed before v2",
        "if nothing is done: what happens to payments if nothing is done is not known",
        f"state {state.fingerprint()}",
        "Nothing was changed.",
    ):
        assert expected in said.out


async def test_nothing_is_written_anywhere(world: World) -> None:
    before = contents(world.folder)

    said = await sternway_plan(world.environment, message("payments", "ledger"))

    assert said.status == 0, said.err
    assert contents(world.folder) == before
    assert not any("sternway.db" in name for name in before["files"])


async def test_an_alert_without_a_place_is_named_beside_the_plan_of_the_others(world: World) -> None:
    said = await sternway_plan(world.environment, message("payments", "paymnts"))

    assert said.status == 0
    assert 'no incident for ErrorsHigh: the catalog has no service "paymnts"; did you mean "payments"?' in said.out


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (message("paymnts"), 'the catalog has no service "paymnts"; did you mean "payments"?'),
        (message("payments", status="resolved"), "every alert of the message is resolved"),
        ({"alerts": []}, "the message carries no alert"),
        ([], "the body is not an Alertmanager message"),
    ],
)
async def test_what_would_begin_nothing_is_an_error_with_its_reason(world: World, body: object, why: str) -> None:
    said = await sternway_plan(world.environment, body)

    assert said.status == 2
    assert why in said.err
    assert "Traceback" not in said.err


async def test_a_mesh_that_does_not_answer_is_named(world: World, tmp_path: Path) -> None:
    elsewhere = tmp_path / "catalog.yaml"
    elsewhere.write_text(CATALOG.replace("${MESH}", "http://127.0.0.1:9"))

    said = await sternway_plan(world.environment, message("payments"), "--catalog", str(elsewhere))

    assert said.status == 2
    assert "http://127.0.0.1:9" in said.err
    assert "Traceback" not in said.err


async def test_what_the_store_remembers_is_looked_at_and_stays_as_it_is(world: World, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sternway.db'}"
    store = open_store(url)
    migrate(store)
    append(store, [held("v1", incident="EARLIER").model_copy(update={"at": datetime.now(UTC)})])
    store.close()
    before = contents(tmp_path)

    answer = await sternway_plan({**world.environment, "STERNWAY_STORE_URL": url}, message("payments"))

    assert (
        "not v1: it was rolled away from by incident EARLIER, and since then neither a person nor a soak" in answer.out
    )
    assert contents(tmp_path) == before


@pytest.mark.parametrize("make", [lambda _file: None, Path.touch], ids=["missing", "empty"])
async def test_a_store_that_cannot_be_read_is_said_and_not_made(
    world: World, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    file = tmp_path / "sternway.db"
    make(file)
    before = contents(tmp_path)

    answer = await sternway_plan({**world.environment, "STERNWAY_STORE_URL": f"sqlite:///{file}"}, message("payments"))

    assert answer.status == 0, answer.err
    assert "which releases are held is not known: the store did not answer" in answer.out
    assert contents(tmp_path) == before
