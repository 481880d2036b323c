"""A rollback before there is an incident: the gateway begins one, as for any alert."""

from __future__ import annotations

from typing import Any

import pytest

from models.prevention import Action
from models.prevention_run import PreventionPhase
from tests.processes.service import Service
from tests.saga.preventions import run
from tests.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]


async def test_its_alert_becomes_an_incident(service: Service) -> None:
    result = await run(service.temporal, service.world, Action.ROLL_BACK, seconds=1)
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
