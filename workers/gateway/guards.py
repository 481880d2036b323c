"""Routes for the guards inside applications: what they are told, and what they tell."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import Field, ValidationError

from models.base import Frozen
from workers.gateway.authentication import GUARDS, authenticate_source
from workers.gateway.metrics import GUARD_TRANSITIONS
from workers.gateway.parts import Parts, parts
from workers.observability.logs import logger

router = APIRouter(prefix="/v1/guards")

Gateway = Annotated[Parts, Depends(parts)]
State = Literal["closed", "open", "half-open"]
Words = Annotated[str, Field(max_length=500)]

OTHER = "other"
"""Stands in metrics for every target that the catalog does not name: their number has no bound."""

_log = logger("sternway.gateway.guards")


class Transition(Frozen):
    target: Words
    before: State
    after: State
    because: Words


class Transitions(Frozen):
    v: Literal[1]
    region: Words
    transitions: tuple[Transition, ...] = Field(max_length=1000)


@router.get("")
async def get_intents(request: Request, gateway: Gateway, region: str = "") -> Response:
    """A stream of lines, one JSON object each, as long as the guard listens: see ``sternway_guard.protocol``."""
    authenticate_source(request, gateway.settings, GUARDS)
    if region not in (known := gateway.loaded.catalog.regions):
        detail = f"the catalog has no region {region!r}; it has {', '.join(known)}: name one with ?region="
        return JSONResponse({"detail": detail}, status_code=404)
    return StreamingResponse(gateway.guards.stream(region), media_type="application/x-ndjson")


@router.post("/transitions", status_code=202)
async def post_transitions(request: Request, gateway: Gateway) -> JSONResponse:
    """Take in how breakers have changed their state."""
    authenticate_source(request, gateway.settings, GUARDS)
    async with gateway.room.read(request) as body:
        try:
            report = Transitions.model_validate_json(body, extra="ignore")
        except ValidationError as error:
            problems = error.errors(include_input=False, include_url=False, include_context=False)
            return JSONResponse({"detail": problems}, status_code=422)
    for one in report.transitions:
        known = one.target if one.target in gateway.loaded.catalog.services else OTHER
        GUARD_TRANSITIONS.labels(known, one.after).inc()
        _log.info("breaker", region=report.region, **one.model_dump())
    return JSONResponse({"taken": len(report.transitions)}, status_code=202)
