"""``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from activities.analytics.store import StoreUnavailable, deliveries, incidents
from workers.gateway import metrics
from workers.gateway.authentication import METRICS, authenticate_source_or_person
from workers.gateway.parts import Parts, parts
from workers.observability.metrics import REGISTRY

router = APIRouter()

MOST = 10_000
"""Open incidents that are counted."""


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(gateway: Annotated[Parts, Depends(parts)]) -> JSONResponse:
    """Ready is whoever can make a delivery durable. Temporal is told, but not needed for that."""
    temporal = "there" if gateway.connection.now else "away"
    try:
        await asyncio.to_thread(deliveries.answer, gateway.store)
    except StoreUnavailable:
        return JSONResponse({"store": "away", "temporal": temporal}, status_code=503)
    return JSONResponse({"store": "there", "temporal": temporal})


@router.get("/metrics")
async def get_metrics(request: Request, gateway: Annotated[Parts, Depends(parts)]) -> Response:
    """For Prometheus, with the token called ``metrics``."""
    authenticate_source_or_person(request, gateway.settings, METRICS)
    try:
        counts = await asyncio.to_thread(deliveries.counts, gateway.store)
        open_ones = await asyncio.to_thread(incidents.open_incidents, gateway.store, MOST)
    except StoreUnavailable:
        counts, open_ones = None, None
    metrics.show(counts, datetime.now(UTC))
    metrics.show_incidents(open_ones)
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
