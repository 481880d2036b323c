"""The agent's HTTP surface: the platform's share of the admin interface that all control planes have in common."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from activities.platform.driver import Workload
from activities.platform.fields import ChangedFields, Moment, NamedField
from models.base import Frozen, Name, Release
from models.deployment import Deployment
from models.receipt import Conflict, Fence, Fields, Receipt, Receipts
from models.settings import Settings
from workers.ledger import Fenced, KeyMisused, Ledger
from workers.local.agent.access import operator
from workers.local.agent.converge import wanted_by_release
from workers.local.agent.discovery import Discovery, View
from workers.local.agent.fleet import Fleet
from workers.local.agent.rows import DeploymentRefused, HowToRun, Rows

MOST_REPLICAS = 200
"""Of one release in one region: a slip of the keyboard must not fork a machine to death."""


class FieldsHere(ChangedFields):
    """Those of a platform that runs on one machine."""

    __pydantic_extra__: dict[NamedField, Annotated[int, Field(ge=0, le=MOST_REPLICAS, strict=True)] | Moment]  # pyright: ignore[reportIncompatibleVariableOverride] -- so pydantic is told of them


class ChangeBody(Frozen):
    key: str
    fields: FieldsHere
    expected: int | None = None


class UndoBody(Frozen):
    key: str


class DeploymentBody(Frozen):
    release: Release
    key: Annotated[str, Field(min_length=1)]


class Stopped(Frozen):
    stopped: int


@dataclass(frozen=True)
class Agent:
    """What the routes work with."""

    ledger: Ledger
    rows: Rows
    fleet: Fleet
    discovery: Discovery
    leave: Callable[[], None]
    """Makes the agent's process end, once the answer is out."""


def application(agent: Agent, settings: Settings) -> FastAPI:
    app = FastAPI(title="Sternway platform agent", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(_reading(agent))
    app.include_router(_writing(agent), dependencies=[Depends(operator(settings))])
    app.add_exception_handler(Fenced, _says(410))
    app.add_exception_handler(KeyMisused, _says(422))
    app.add_exception_handler(DeploymentRefused, _says(423))
    app.add_exception_handler(sqlite3.OperationalError, _says(503))
    return app


def _reading(agent: Agent) -> APIRouter:
    routes = APIRouter()

    @routes.get("/healthz")
    async def healthz() -> Response:
        return Response("ok\n", media_type="text/plain")

    @routes.get("/v1/regions/{region}/services/{service}")
    async def read(region: Name, service: Name) -> Workload:
        snapshot = await asyncio.to_thread(agent.ledger.read, f"{region}/{service}")
        known = await asyncio.to_thread(agent.rows.releases, service)
        if not snapshot.generation:
            _check_known(service, known)
        leaving = await asyncio.to_thread(agent.rows.leaving)
        wanted, ready = wanted_by_release(snapshot), agent.fleet.ready(region, service, leaving)
        return Workload(
            generation=snapshot.generation,
            state=snapshot.state,
            replicas=wanted,
            ready={release: ready.get(release, 0) for release in wanted.keys() | ready.keys()},
            deployments=await asyncio.to_thread(agent.rows.deployments, region, service),
            runnable=tuple(sorted(known)),
        )

    @routes.get("/v1/incidents/{incident}/receipts")
    async def receipts(incident: str) -> Receipts:
        return Receipts(receipts=await asyncio.to_thread(agent.ledger.receipts_of, incident))

    @routes.get("/v1/replicas")
    async def replicas(
        request: Request,
        after: int = -1,
        wait: Annotated[float, Query(ge=0, le=60)] = 0.0,
        watcher: str | None = None,
    ) -> View:
        peer = f"{request.client.host}:{request.client.port}" if request.client else "unknown"
        return await agent.discovery.wait(watcher or peer, after, wait)

    return routes


def _writing(agent: Agent) -> APIRouter:
    routes = APIRouter()
    service_url = "/v1/regions/{region}/services/{service}"

    @routes.post(f"{service_url}/changes", responses={409: {"model": Conflict}})
    async def change(region: Name, service: Name, body: ChangeBody) -> Receipt:
        runs = {release for release, n in body.fields.replicas.items() if n}
        await _check_runnable(agent, service, runs.union(body.fields.restarted))
        fields: Fields = body.fields.model_dump(exclude_unset=True)
        now = datetime.now(UTC)
        answer = await asyncio.to_thread(
            agent.ledger.change, body.key, f"{region}/{service}", fields, body.expected, now, agent.rows.replace
        )
        if isinstance(answer, Conflict):
            return JSONResponse(answer.model_dump(mode="json"), status_code=409)  # pyright: ignore[reportReturnType] -- FastAPI sends a response as it is
        agent.fleet.poke()
        return answer

    @routes.post(f"{service_url}/undo")
    async def undo(region: Name, service: Name, body: UndoBody) -> Receipt:
        resource, now = f"{region}/{service}", datetime.now(UTC)
        receipt = await asyncio.to_thread(agent.ledger.undo, body.key, resource, now, agent.rows.keep)
        agent.fleet.poke()
        return receipt

    @routes.post("/v1/incidents/{incident}/fence")
    async def fence(incident: str) -> Fence:
        fenced_at = await asyncio.to_thread(agent.ledger.fence, incident, datetime.now(UTC))
        return Fence(incident=incident, at=fenced_at)

    @routes.post(f"{service_url}/deployments")
    async def deploy(region: Name, service: Name, body: DeploymentBody) -> Deployment:
        await _check_runnable(agent, service, {body.release})
        now = datetime.now(UTC)
        return await asyncio.to_thread(agent.rows.deploy, body.key, region, service, body.release, now)

    @routes.put("/v1/services/{service}/releases/{release}")
    async def register(service: Name, release: Release, body: HowToRun) -> HowToRun:
        await asyncio.to_thread(agent.rows.register, service, release, body)
        agent.fleet.poke()
        return body

    @routes.post("/v1/stop")
    async def stop() -> Stopped:
        stopped = Stopped(stopped=await agent.fleet.stop_all())
        agent.leave()
        return stopped

    return routes


def _check_known(service: str, releases: Collection[str]) -> None:
    if not releases:
        cure = f"PUT /v1/services/{service}/releases/<release> says how to run one"
        raise HTTPException(404, f"service {service!r} is not known here; {cure}")


async def _check_runnable(agent: Agent, service: str, releases: set[str]) -> None:
    known = await asyncio.to_thread(agent.rows.releases, service)
    _check_known(service, known)
    if unknown := sorted(releases - known.keys()):
        cure = f"known are {', '.join(sorted(known))}; PUT /v1/services/{service}/releases/{unknown[0]} adds it"
        raise HTTPException(422, f"nobody has said how to run {service} in release {unknown[0]}; {cure}")


def _says(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_: Request, error: Exception) -> Response:
        detail = f"nothing was changed: {error}" if status == 503 else str(error)
        return JSONResponse({"detail": detail}, status_code=status)

    return answer
