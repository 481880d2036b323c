"""``POST /v1/incidents``: an application reports trouble itself, and hears which incident has it."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from ulid import ULID

from activities.analytics.store import assignments
from models.alert import Alert, AlertStatus
from models.report import IncidentReport
from workers.gateway import links
from workers.gateway.authentication import REPORTS, authenticate_source_or_person
from workers.gateway.handover import Handed
from workers.gateway.incidents import workflow_of
from workers.gateway.intake import Delivery, Taken, take_report
from workers.gateway.metrics import DELIVERIES
from workers.gateway.opening import API, REPORT, correlation, level_of
from workers.gateway.parts import Parts, parts
from workers.gateway.placing import CORRECT_BODY, misplaced, only_region
from workers.gateway.refusals import refusals

WAIT = 3.0
"""Seconds to wait for the incident to begin; then the answer is that the report is pending."""

router = APIRouter()


@router.post("/v1/incidents", status_code=202)
async def post_incident(
    request: Request,
    gateway: Annotated[Parts, Depends(parts)],
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> JSONResponse:
    """Take in a report. The same ``Idempotency-Key`` always gets the same incident."""
    with refusals(API):
        authenticate_source_or_person(request, gateway.settings, REPORTS)
        return await _take_in(request, gateway, idempotency_key or str(ULID()))


async def _take_in(request: Request, gateway: Parts, key: str) -> JSONResponse:
    async with gateway.room.read(request) as body:
        try:
            report = IncidentReport.model_validate_json(body)
        except ValidationError as error:
            problems = error.errors(include_input=False, include_url=False, include_context=False)
            return JSONResponse({"detail": problems}, status_code=422)
        alert = _alert(report, key, gateway)
        if reason := misplaced(alert.service, alert.region, gateway.loaded.catalog):
            return JSONResponse({"detail": f"{reason} {CORRECT_BODY}"}, status_code=422)
        identity = hashlib.sha256(alert.fingerprint.encode()).hexdigest()
        before = await asyncio.to_thread(assignments.of_delivery, gateway.store, API, identity)
        if before and before.incident:
            DELIVERIES.labels(API, "duplicate").inc()
            workflow = await asyncio.to_thread(workflow_of, gateway, before.incident)
            return _repeated(before.incident, workflow, gateway)
        delivery = Delivery(API, body, request.headers, datetime.now(UTC))
        kept = await take_report(gateway.store, gateway.writer, delivery, identity, alert)
    DELIVERIES.labels(API, "duplicate" if kept.duplicate else "accepted").inc()
    handed = await gateway.dispatcher.outcome(kept.alerts[0], WAIT, suspect=kept.duplicate)
    return JSONResponse(_answer(report, alert, kept, handed, gateway), status_code=202)


def _alert(report: IncidentReport, key: str, gateway: Parts) -> Alert:
    return Alert(
        source=API,
        fingerprint=hashlib.sha256(key.encode()).hexdigest()[:16],
        status=AlertStatus.FIRING,
        severity=report.severity,
        service=report.service,
        region=only_region(report.service, report.region or "", gateway.loaded.catalog),
        group=API,
        name=report.reason,
        starts_at=datetime.now(UTC),
        labels={REPORT: report.model_dump_json()},
    )


def _answer(report: IncidentReport, alert: Alert, kept: Taken, handed: Handed | None, gateway: Parts) -> dict[str, Any]:
    workflow = correlation(alert, gateway.loaded.catalog)
    if handed is None or handed.incident is None:
        return {"state": "pending", "delivery": kept.delivery, "workflow": workflow}
    # Of several alerts that waited together the first one has opened it, and what that asked for is what it does.
    opened = handed.opened and handed.alerts[0].id == kept.alerts[0].id
    answer: dict[str, Any] = {
        "state": "opened" if opened else "joined",
        "incident": handed.incident,
        "workflow": workflow,
        "links": _links(gateway, handed.incident, workflow, handed.run),
    }
    level = level_of(alert, gateway.loaded.catalog)
    notes: list[str] = []
    if report.level and level is not report.level:
        notes.append(f'the policy of "{alert.service}" allows {level} at most, so {report.level} was reduced to it')
    if not opened:
        notes.append(f"an incident is open at level {level} and has the report; it keeps its own order and modules")
    return {**answer, "level": level, **({"note": "; ".join(notes)} if notes else {})}


def _repeated(incident: str, workflow: str, gateway: Parts) -> JSONResponse:
    answer = {"state": "repeated", "incident": incident, "workflow": workflow}
    return JSONResponse({**answer, "links": _links(gateway, incident, workflow, None)}, status_code=202)


def _links(gateway: Parts, incident: str, workflow: str, run: str | None) -> dict[str, str]:
    return {
        "temporal": links.temporal(gateway.settings, workflow, run),
        "gateway": links.gateway(gateway.settings, incident),
    }
