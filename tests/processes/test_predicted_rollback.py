"""A rollback before there is an incident: the gateway begins one, as for any alert."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from activities.analytics.store import catalogs, open_store
from models.identity import prevention_id
from models.prevention import Action
from models.prevention_run import PreventionPhase, PreventionResult
from models.queues import WORKFLOWS
from tests.processes.service import Service
from tests.saga.preventions import argument, catalog
from tests.waiting import until
from workers.local.world import REGION
from workers.worker import TASK_TIMEOUT

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]


async def test_its_alert_becomes_an_incident(service: Service) -> None:
    pinned = catalog(service.world, "full")
    store = open_store(service.world.store)
    await asyncio.to_thread(catalogs.remember, store, pinned.digest, pinned.text)
    store.close()

    result = await service.temporal.execute_workflow(
        "Prevention",
        argument(service.world, Action.ROLL_BACK, "full", catalogued=pinned),
        id=prevention_id(REGION, "payments"),
        task_queue=WORKFLOWS,
        task_timeout=TASK_TIMEOUT,
        result_type=PreventionResult,
    )
    assert result.phase is PreventionPhase.HANDED_OVER, result.sentence

    async def begun() -> dict[str, Any] | None:
        listed = (await service.gateway.get("/v1/incidents")).raise_for_status().json()
        return next((one for one in listed if one["reason"] == "PredictedIncident"), None)

    incident = await until(begun, 60, "the gateway has begun the incident")
    assert (incident["service"], incident["severity"]) == ("payments", "warning")
    abort = {"by": "a test", "reason": "that was all"}
    (await service.gateway.post(f"/v1/incidents/{incident['id']}/abort", json=abort)).raise_for_status()

    async def over() -> bool:
        found = (await service.gateway.get(f"/v1/incidents/{incident['id']}")).raise_for_status().json()
        return found["phase"] in ("aborted", "resolved", "held")

    await until(over, 60, "the incident has ended")
