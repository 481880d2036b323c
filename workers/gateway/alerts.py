"""``/v1/alerts``: senders post their webhooks, people look at what could not be routed or read."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from activities.analytics.store import deliveries
from activities.analytics.store.deliveries import StoredAlert, StoredDelivery
from workers.gateway.authentication import authenticate_person, authenticate_source
from workers.gateway.intake import Delivery, Taken, take_in
from workers.gateway.metrics import DELIVERIES, DURATION
from workers.gateway.parts import Parts, parts
from workers.gateway.refusals import refusals
from workers.gateway.sources import SOURCES
from workers.observability.logs import logger
from workers.observability.tracing import tracer

router = APIRouter(prefix="/v1/alerts")


@router.post("/{source}", status_code=202)
async def post_alerts(source: str, request: Request, gateway: Annotated[Parts, Depends(parts)]) -> JSONResponse:
    """Take in one webhook. 202 means that it is durable; whether its incident has begun is not waited for."""
    if source not in SOURCES:
        known = ", ".join(sorted(SOURCES))
        return JSONResponse({"detail": f'there is no source "{source[:60]}"; there are: {known}'}, status_code=404)
    with refusals(source):
        authenticate_source(request, gateway.settings, source)
        taken = await _take_in(source, request, gateway)
    result = "quarantined" if taken.quarantined else "duplicate" if taken.duplicate else "accepted"
    DELIVERIES.labels(source, result).inc()
    if taken.quarantined:
        logger(__name__).warning("delivery quarantined", delivery=taken.delivery, reason=taken.quarantined)
    return JSONResponse(_answer(taken), status_code=202)


async def _take_in(source: str, request: Request, gateway: Parts) -> Taken:
    async with gateway.room.read(request) as body:
        received_at, began = datetime.now(UTC), time.perf_counter()
        delivery = Delivery(source, body, request.headers, received_at)
        with tracer().start_as_current_span("alert received", attributes={"source": source, "bytes": len(body)}):
            taken = await take_in(gateway.store, gateway.writer, gateway.loaded.catalog, delivery)
            gateway.dispatcher.offer(() if taken.duplicate else taken.alerts)
    DURATION.labels(source).observe(time.perf_counter() - began)
    return taken


def _answer(taken: Taken) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "delivery": taken.delivery,
        "alerts": len(taken.alerts),
        "duplicate": taken.duplicate,
        "unrouted": taken.unrouted,
    }
    return {**answer, "quarantined": taken.quarantined} if taken.quarantined else answer


@router.get("", dependencies=[Depends(authenticate_person)])
async def get_alerts(
    gateway: Annotated[Parts, Depends(parts)],
    state: Literal["pending", "unrouted", "quarantined"],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[dict[str, Any]]:
    """What waits for its incident, what has no place in the catalog, and which deliveries could not be read."""
    if state == "quarantined":
        return [_delivery(row) for row in await asyncio.to_thread(deliveries.quarantined, gateway.store, limit)]
    read = deliveries.pending if state == "pending" else deliveries.unrouted
    return [_alert(row) for row in await asyncio.to_thread(read, gateway.store, limit)]


def _alert(row: StoredAlert) -> dict[str, Any]:
    return row.model_dump(mode="json")


def _delivery(row: StoredDelivery) -> dict[str, Any]:
    """Without the body: it may hold anything, and :attr:`id` finds it in the store."""
    return row.model_dump(mode="json", exclude={"body"})
