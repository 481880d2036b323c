"""An incident that is open in the store while nobody works on it is raised: once, and never by mistake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError

from activities.analytics.store import assignments, incidents
from activities.analytics.store.journal import append, events
from models.catalog import Level
from models.identity import correlation_key
from models.incident import Phase
from models.journal import Ended, JournalEntry, PhaseEntered, Reported, Started
from tests.gateway.running_gateway import Gateway, alert, message
from tests.gateway.temporal_server import TemporalServer
from tests.waiting import until
from workers.gateway import reconciler
from workers.gateway.reconciler import Reconciler


class Case:
    """One incident that runs, with a journal that has begun, and a reconciler of its own."""

    def __init__(self, gateway: Gateway, temporal: Client, incident: str, workflow: str) -> None:
        self.gateway, self.temporal = gateway, temporal
        self.incident, self.workflow = incident, workflow
        parts = gateway.parts
        self.reconciler = Reconciler(parts.settings, parts.loaded, parts.store, parts.writer, parts.connection)

    def record(self, number: int, kind: str, payload: Reported, incident: str | None = None) -> None:
        entry = JournalEntry(
            incident=incident or self.incident,
            source="the-workflow",
            source_seq=number,
            kind=kind,
            at=datetime.now(UTC),
            payload=payload.model_dump(mode="json"),
        )
        append(self.gateway.parts.store, [entry])

    async def shown(self) -> dict[str, str]:
        return (await self.gateway.ask("GET", f"/v1/incidents/{self.incident}")).json()

    async def phase(self) -> str:
        return (await self.shown())["phase"]

    async def look(self) -> None:
        await self.reconciler.look(self.temporal)

    async def terminate(self) -> None:
        await self.temporal.get_workflow_handle(self.workflow).terminate("from the UI")

    def raised(self) -> int:
        entered = [e.payload or {} for e in events(self.gateway.parts.store, self.incident) if e.kind == "phase"]
        return [payload["phase"] for payload in entered].count(Phase.ORPHANED)


@pytest.fixture
async def case(gateway: Gateway, temporal: Client) -> AsyncGenerator[Case]:
    await gateway.post(message(alert()))
    await until(lambda: gateway.protected.starts, 10, "the first action")
    await gateway.nothing_waits()
    (start,) = gateway.protected.starts
    workflow = (await gateway.ask("GET", f"/v1/incidents/{start.incident}")).json()["workflow"]
    case = Case(gateway, temporal, start.incident, workflow)
    case.record(0, "incident-started", Started(**dict(start), workflow=workflow))

    async def listed() -> bool:
        running = temporal.list_workflows(f"WorkflowId = '{workflow}' AND ExecutionStatus = 'Running'")
        return any([True async for _ in running])

    await until(listed, 10, "Temporal's index has the incident")
    yield case


async def test_an_incident_that_runs_is_left_alone(case: Case) -> None:
    await case.look()
    assert await case.phase() == "protecting"


async def test_a_terminated_incident_is_raised_with_its_cure(case: Case) -> None:
    await case.terminate()
    await case.look()
    shown = await case.shown()
    assert (shown["phase"], shown["ended_at"]) == ("orphaned", None)
    assert "its workflow was terminated" in shown["detail"]
    assert f"sternway undo {case.incident}" in shown["detail"]
    assert "sternway_orphaned_incidents 1.0" in (await case.gateway.ask("GET", "/metrics")).text


async def test_it_is_raised_once_by_however_many_and_however_often(case: Case) -> None:
    await case.terminate()
    await asyncio.gather(*(case.look() for _ in range(4)))
    await case.look()
    assert case.raised() == 1


async def test_an_incident_whose_id_another_one_has_by_now_is_raised(case: Case) -> None:
    await case.terminate()
    await case.temporal.start_workflow("Incident", id=case.workflow, task_queue="nobody", memo={"incident": "another"})
    await case.look()
    assert "another incident has its id now" in (await case.shown())["detail"]
    await case.temporal.get_workflow_handle(case.workflow).terminate()


async def test_an_incident_that_temporal_does_not_know_is_raised(case: Case) -> None:
    start = case.gateway.protected.starts[0].model_copy(update={"incident": "01LOST"})
    case.record(0, "incident-started", Started(**dict(start), workflow="incident:eu:lost"), incident="01LOST")
    await case.look()
    lost = (await case.gateway.ask("GET", "/v1/incidents/01LOST")).json()
    assert (lost["phase"], "unknown to Temporal" in lost["detail"]) == ("orphaned", True)
    assert await case.phase() == "protecting"


async def test_one_that_was_lost_before_the_store_had_heard_of_it_is_written_down_and_raised(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its alerts say that they have an incident, which has no row and no workflow."""
    store, now = case.gateway.parts.store, datetime.now(UTC)
    await case.gateway.post(message(alert("f2", service="ledger", region="us")))
    await case.gateway.nothing_waits()
    (row,) = [one for one in assignments.unrecorded(store, now + timedelta(hours=1)) if one != case.incident]
    await case.temporal.get_workflow_handle(correlation_key("us", "ledger", Level.PROTECT)).terminate("lost")

    await case.look()
    assert (await case.gateway.ask("GET", f"/v1/incidents/{row}")).json()["phase"] is None, "it may still be coming"
    monkeypatch.setattr(reconciler, "SILENT", timedelta(seconds=-60))
    await case.look()

    lost = (await case.gateway.ask("GET", f"/v1/incidents/{row}")).json()
    assert (lost["phase"], lost["service"], lost["region"]) == ("orphaned", "ledger", "us")
    assert f"sternway restart {row}" in lost["detail"]
    assert await case.phase() == "protecting"


async def test_one_that_ends_normally_while_it_is_looked_at_is_not_raised(case: Case) -> None:
    """Its row was read while it was open; then its end was recorded, and its workflow closed."""
    (row,) = incidents.incidents(case.gateway.parts.store, open_only=True)
    case.record(1, "incident-ended", Ended(phase=Phase.RESOLVED, sentence="verified healthy"))
    await case.terminate()
    await case.reconciler._settle(case.temporal, row)  # the moment between the two looks, which a test cannot meet
    assert (await case.phase(), case.raised()) == ("resolved", 0)


async def test_a_namespace_that_is_not_there_orphans_nothing(case: Case, temporal_server: TemporalServer) -> None:
    await case.terminate()
    elsewhere = await Client.connect(
        f"127.0.0.1:{temporal_server.port}", namespace="nowhere", data_converter=pydantic_data_converter
    )
    with pytest.raises(RPCError):
        await case.reconciler.look(elsewhere)
    assert await case.phase() == "protecting"


async def test_an_incident_that_runs_again_is_not_orphaned_any_more(case: Case) -> None:
    case.record(1, "phase", PhaseEntered(phase=Phase.ORPHANED))
    await case.look()
    assert await case.phase() == "executing", "what the workflow says of itself"


async def test_temporal_being_away_orphans_nothing(case: Case, temporal_server: TemporalServer) -> None:
    await case.terminate()
    temporal_server.stop()
    try:
        with pytest.raises(RPCError):
            await case.look()
    finally:
        temporal_server.start()
        await temporal_server.client()
    assert case.raised() == 0
