"""``/v1/deployments`` and GitHub's webhook: delivery systems tell of releases, and people look at what they told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from ulid import ULID

from activities.analytics.store import deployments
from models.deployment import DeployEvent, DeploymentReport
from workers.gateway.authentication import (
    DEPLOYMENTS,
    authenticate_github,
    authenticate_person,
    authenticate_source,
    expect_github,
)
from workers.gateway.intake import Delivery, quarantine
from workers.gateway.metrics import DELIVERIES
from workers.gateway.opening import API
from workers.gateway.parts import Parts, parts
from workers.gateway.placing import CORRECT_BODY, misplaced, only_region
from workers.gateway.refusals import refusals
from workers.gateway.sources import github
from workers.gateway.sources.github import GITHUB
from workers.gateway.sources.source import Unreadable
from workers.observability.logs import logger

router = APIRouter()

RESULTS = {"recorded": "accepted", "repeated": "duplicate", "unrouted": "unrouted"}
"""How each answer is counted."""

SET_CONTENT_TYPE = (
    "the body is a form, which is not read here, so nothing was accepted: set the webhook's content type to "
    "application/json"
)

Gateway = Annotated[Parts, Depends(parts)]


@router.post("/v1/deployments", status_code=202)
async def post_deployment(
    request: Request, gateway: Gateway, idempotency_key: Annotated[str | None, Header(max_length=200)] = None
) -> JSONResponse:
    """Take in one release event. The same ``Idempotency-Key`` is the same deployment; 409: it is another one's."""
    with refusals(API):
        authenticate_source(request, gateway.settings, DEPLOYMENTS)
        async with gateway.room.read(request) as body:
            try:
                report = DeploymentReport.model_validate_json(body)
            except ValidationError as error:
                problems = error.errors(include_input=False, include_url=False, include_context=False)
                return JSONResponse({"detail": problems}, status_code=422)
        region = only_region(report.service, report.region or "", gateway.loaded.catalog)
        if reason := misplaced(report.service, region, gateway.loaded.catalog):
            return JSONResponse({"detail": f"{reason} {CORRECT_BODY}"}, status_code=422)
        event = _event(report, region, idempotency_key or str(ULID()), datetime.now(UTC))
        known = await _record(gateway, (event,))
        if known and _deployed(known[0]) != _deployed(event):
            return _reused(known[0], event)
        return _answer((event,), known)


@router.post("/v1/sources/github", status_code=202)
async def post_github(
    request: Request,
    gateway: Gateway,
    x_hub_signature_256: Annotated[str, Header()] = "",
    x_github_event: Annotated[str, Header()] = "",
) -> JSONResponse:
    """Take in one webhook of GitHub. What tells of no release is answered with the reason, and not kept.

    A form is refused, be it a ping's: whoever sets up the webhook sees at once that it cannot work.
    """
    with refusals(GITHUB):
        expect_github(x_hub_signature_256, gateway.settings)
        async with gateway.webhooks.read(request) as body:
            authenticate_github(body, x_hub_signature_256, gateway.settings)
            if body.startswith(github.FORM):
                DELIVERIES.labels(GITHUB, "form").inc()
                return JSONResponse({"detail": SET_CONTENT_TYPE}, status_code=422)
            received_at = datetime.now(UTC)
            if x_github_event == "ping":
                return JSONResponse({"state": "pong"})
            try:
                told = github.read(x_github_event, body, gateway.loaded.catalog, received_at)
            except Unreadable as unreadable:
                return await _quarantine(gateway, Delivery(GITHUB, body, request.headers, received_at), str(unreadable))
        if isinstance(told, github.Ignored):
            DELIVERIES.labels(GITHUB, "ignored").inc()
            return JSONResponse({"state": "ignored", "reason": told.reason}, status_code=202)
        return _answer(told, await _record(gateway, told))


@router.get("/v1/deployments", dependencies=[Depends(authenticate_person)])
async def get_deployments(
    gateway: Gateway,
    service: str | None = None,
    region: str | None = None,
    state: Literal["placed", "unrouted"] = "placed",
    limit: Annotated[int, Query(ge=1, le=deployments.NEWEST)] = 50,
) -> list[dict[str, Any]]:
    """What was told of a service in a region, or what has no place in the catalog; the newest first."""
    if state == "unrouted":
        found = await asyncio.to_thread(deployments.unrouted, gateway.store, limit)
    elif service is None or region is None:
        raise HTTPException(422, "say of which service and which region, or ask for state=unrouted")
    else:
        found = await asyncio.to_thread(deployments.deployments, gateway.store, service, region, limit)
    return [event.model_dump(mode="json") for event in found]


def _event(report: DeploymentReport, region: str, key: str, now: datetime) -> DeployEvent:
    return DeployEvent(
        source=API,
        reference=key,
        service=report.service,
        region=region,
        release=report.release,
        at=min(report.at or now, now),  # a clock that is ahead must not make it the newest for hours
        received_at=now,
        url=report.url,
        description=report.description,
        deployer=report.deployer,
    )


async def _record(gateway: Parts, events: Sequence[DeployEvent]) -> Sequence[DeployEvent]:
    """What is known of the deployment already; where that is nothing, the *events* are durable now."""
    return await gateway.writer.write(partial(deployments.record, gateway.store, events))


def _deployed(event: DeployEvent) -> str:
    return f"{event.release} of {event.service} in {event.region}"


def _reused(known: DeployEvent, event: DeployEvent) -> JSONResponse:
    """A pipeline that goes from region to region under one key must not believe that all of them are known."""
    DELIVERIES.labels(API, "reused-key").inc()
    detail = (
        f'the Idempotency-Key "{known.reference}" was used for {_deployed(known)}, and this is {_deployed(event)}: '
        "nothing was stored; use one key for each deployment, made of service, region, release and build"
    )
    return JSONResponse({"detail": detail}, status_code=409)


def _answer(told: Sequence[DeployEvent], known: Sequence[DeployEvent]) -> JSONResponse:
    """Of a deployment that was known, with what is kept of it."""
    events = known or told
    unrouted = next((event.unrouted for event in events if event.unrouted), None)
    state = "repeated" if known else "unrouted" if unrouted else "recorded"
    DELIVERIES.labels(events[0].source, RESULTS[state]).inc()
    if unrouted and not known:
        logger(__name__).warning("a deployment has no place in the catalog", reason=unrouted)
    places = [event.model_dump(mode="json", include={"service", "region", "release", "at"}) for event in events]
    answer: dict[str, Any] = {"state": state, "deployments": [place for place in places if place["service"]]}
    return JSONResponse({**answer, **({"reason": unrouted} if unrouted else {})}, status_code=202)


async def _quarantine(gateway: Parts, delivery: Delivery, reason: str) -> JSONResponse:
    """GitHub would not send it again, and nobody could look at it if it were refused."""
    kept = await quarantine(gateway.store, gateway.writer, delivery, reason)
    DELIVERIES.labels(delivery.source, "quarantined").inc()
    logger(__name__).warning("delivery quarantined", delivery=kept.delivery, reason=reason)
    return JSONResponse({"state": "quarantined", "delivery": kept.delivery, "reason": reason}, status_code=202)
