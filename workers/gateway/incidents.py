"""``/v1/incidents``: what was recorded of incidents, and what people may say to one that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import ValidationError
from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.analytics.store import assignments, incidents
from models.identity import MEMO
from models.incident import Approval, NamedApproval, StageApproval
from workers.gateway import links
from workers.gateway.authentication import REPORTS, authenticate_person, authenticate_source_or_person
from workers.gateway.handover import RPC_TIMEOUT
from workers.gateway.opening import correlation
from workers.gateway.parts import Parts, parts
from workers.observability.logs import about, logger

router = APIRouter(prefix="/v1/incidents")

Gateway = Annotated[Parts, Depends(parts)]


async def _word(request: Request, gateway: Gateway) -> NamedApproval:
    """The body, whatever its Content-Type says, as of every route here."""
    async with gateway.room.read(request) as body:
        try:
            return NamedApproval.model_validate_json(body)
        except ValidationError as error:
            problems = error.errors(include_input=False, include_url=False, include_context=False)
            raise HTTPException(422, problems) from None


Word = Annotated[NamedApproval, Depends(_word)]

PEOPLE = [Depends(authenticate_person)]


@router.get("", dependencies=PEOPLE)
async def list_incidents(
    gateway: Gateway, open: bool = False, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> list[dict[str, Any]]:
    """The newest first; with ``open=true`` only those that have not ended."""
    found = await asyncio.to_thread(incidents.incidents, gateway.store, open_only=open, limit=limit)
    return [
        {
            **incident.model_dump(mode="json", exclude={"plan", "verdict", "impact"}),
            "links": _links(gateway, incident.id, incident.workflow),
        }
        for incident in found
    ]


@router.get("/{incident}")
async def show_incident(incident: str, request: Request, gateway: Gateway) -> dict[str, Any]:
    """One incident with its steps and their receipts, as its journal has told them so far.

    The application that has reported its trouble may look at it too.
    """
    authenticate_source_or_person(request, gateway.settings, REPORTS)
    return await asyncio.to_thread(_show, gateway, incident)


@router.post("/{incident}/{action}", dependencies=PEOPLE)
async def act(
    incident: str,
    action: Literal["approve", "pause", "resume", "retry", "emergency", "abort"],
    word: Word,
    gateway: Gateway,
) -> dict[str, str]:
    """Say it to the workflow, and answer with what it says. 409: it refuses, and why. 503: it cannot be reached."""
    return await _say(gateway, incident, action, action, word)


@router.post("/{incident}/approve/{service}/{stage}", dependencies=PEOPLE)
async def approve_stage(incident: str, service: str, stage: str, word: Word, gateway: Gateway) -> dict[str, str]:
    """Approve one stage that waits for it. An update of its own: an incident of the build before would take the plan
    for what is meant."""
    return await _say(
        gateway, incident, "approve", "approve_stage", StageApproval(**dict(word), service=service, stage=stage)
    )


async def _say(gateway: Parts, incident: str, action: str, update: str, word: Approval) -> dict[str, str]:
    workflow = await asyncio.to_thread(workflow_of, gateway, incident)
    client = gateway.connection.now
    if client is None:
        raise HTTPException(503, "Temporal does not answer; nothing was said to the incident")
    try:
        run = await _run(client, workflow, incident)
        answer: str = await run.execute_update(  # pyright: ignore[reportUnknownMemberType] -- an overload of the SDK's
            update, word, result_type=str, rpc_timeout=RPC_TIMEOUT
        )
    except WorkflowUpdateFailedError as refused:
        raise HTTPException(409, _reason(refused)) from refused
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise HTTPException(503, "Temporal did not answer in time, so ask what became of it") from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise HTTPException(409, f"the incident {incident} does not run any more") from error
        raise HTTPException(503, f"Temporal does not answer, so ask what became of it: {error.message}") from error
    with about(incident=incident):
        logger(__name__).info("a person decided", action=action, by=word.by, reason=word.reason)
    return {"incident": incident, "action": action, "answer": answer}


async def _run(client: Client, workflow: str, incident: str) -> WorkflowHandle[Any, Any]:
    """The run of this very incident: the same workflow id may be another one's by now."""
    last = await client.get_workflow_handle(workflow).describe(rpc_timeout=RPC_TIMEOUT)
    if await last.memo_value(MEMO, "", type_hint=str) != incident:
        raise HTTPException(409, f"the incident {incident} has ended, and its trouble has come back as another one")
    return client.get_workflow_handle(workflow, run_id=last.run_id)


def _show(gateway: Parts, incident: str) -> dict[str, Any]:
    found = incidents.incident(gateway.store, incident)
    workflow = workflow_of(gateway, incident)
    answer = {"links": _links(gateway, incident, workflow)}
    if found is None:
        return {"id": incident, "workflow": workflow, "phase": None, "steps": [], **answer}
    steps = [step.model_dump(mode="json") for step in incidents.steps(gateway.store, incident)]
    return {**found.model_dump(mode="json"), "steps": steps, **answer}


def workflow_of(gateway: Parts, incident: str) -> str:
    """The workflow's id, by the incident's journal or, before that has been recorded, by its alerts. 404: no such."""
    if found := incidents.incident(gateway.store, incident):
        return found.workflow
    first = assignments.of_incident(gateway.store, incident)
    if first and first.alert.service in gateway.loaded.catalog.services:
        return correlation(first.alert, gateway.loaded.catalog)
    raise HTTPException(404, f'there is no incident "{incident[:60]}"; `sternway incidents list` shows those there are')


def _links(gateway: Parts, incident: str, workflow: str) -> Mapping[str, str]:
    return {
        "temporal": links.temporal(gateway.settings, workflow, None),
        "gateway": links.gateway(gateway.settings, incident),
    }


def _reason(refused: WorkflowUpdateFailedError) -> str:
    cause = refused.cause
    return cause.message if isinstance(cause, ApplicationError) else str(cause)
