"""The control plane's admin interface over HTTP; ``activities/mesh/drivers/envoy.py`` is its client."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from activities.mesh.driver import Routing
from models.base import Frozen
from models.lease import Lease, LeaseRequest
from models.receipt import Conflict, Fence, Fields, Receipt, Receipts
from models.settings import Settings
from workers.ledger import Fenced, KeyMisused
from workers.mesh.access import operator, protector
from workers.mesh.errors import Invalid, Spent, Unknown
from workers.mesh.leases import Leases
from workers.mesh.plane import ControlPlane
from workers.mesh.publication import Refusal

_STATUS: dict[type[Exception], int] = {
    Unknown: 404,
    Fenced: 410,
    Spent: 410,
    Invalid: 422,
    KeyMisused: 422,
    sqlite3.OperationalError: 503,
}


class ChangeBody(Frozen):
    key: Annotated[str, Field(min_length=1, max_length=300)]
    fields: Fields
    expected: int | None = None


class UndoBody(Frozen):
    key: Annotated[str, Field(min_length=1, max_length=300)]


class RenewBody(Frozen):
    seconds: float


class ServiceStatus(Frozen):
    generation: int
    missing: tuple[str, ...]
    """Expected proxies that do not have what is wanted now."""


class Status(Frozen):
    region: str
    connected: tuple[str, ...]
    services: dict[str, ServiceStatus]
    leases: tuple[Lease, ...]
    refusals: tuple[Refusal, ...]
    """What proxies have refused; the version before it is served in its place."""


def application(plane: ControlPlane, leases: Leases, settings: Settings) -> FastAPI:
    """The ASGI application. Reading is open, as it is bound to loopback and holds no secret."""
    app = FastAPI(title=f"Sternway mesh {plane.region}", docs_url=None, redoc_url=None, openapi_url=None)
    for error, status in _STATUS.items():
        app.add_exception_handler(error, _answer(status))
    _reading(app, plane)
    _changing(app, plane, leases, settings)
    _protecting(app, leases, settings)
    return app


def _reading(app: FastAPI, plane: ControlPlane) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:  # pyright: ignore[reportUnusedFunction] -- FastAPI keeps it
        return {"status": "ok", "region": plane.region}

    @app.get("/v1/services/{service}")
    async def read(service: str) -> Routing:  # pyright: ignore[reportUnusedFunction] -- FastAPI keeps it
        return plane.read(service)

    @app.get("/v1/incidents/{incident}/receipts")
    async def receipts(incident: str) -> Receipts:  # pyright: ignore[reportUnusedFunction] -- FastAPI keeps it
        return Receipts(receipts=plane.ledger.receipts_of(incident))

    @app.get("/v1/status")
    async def status() -> Status:  # pyright: ignore[reportUnusedFunction] -- FastAPI keeps it
        services = {
            name: ServiceStatus(generation=plane.ledger.read(name).generation, missing=plane.missing(name))
            for name in plane.services
        }
        return Status(
            region=plane.region,
            connected=plane.ads.connected,
            services=services,
            leases=tuple(term.lease for term in plane.terms.running(time.monotonic())),
            refusals=plane.refusals,
        )


def _changing(app: FastAPI, plane: ControlPlane, leases: Leases, settings: Settings) -> None:
    allowed = [Depends(operator(settings))]

    @app.post("/v1/services/{service}/changes", dependencies=allowed, response_model=Receipt)
    async def change(service: str, body: ChangeBody) -> Any:  # pyright: ignore[reportUnusedFunction] -- FastAPI keeps it
        answer = await plane.change(body.key, service, body.fields, body.expected)
        if isinstance(answer, Conflict):
            return Response(answer.model_dump_json(), 409, media_type="application/json")
        return answer

    @app.post("/v1/services/{service}/undo", dependencies=allowed)
    async def undo(service: str, body: UndoBody) -> Receipt:  # pyright: ignore[reportUnusedFunction] -- FastAPI keeps it
        return await plane.undo(body.key, service)

    @app.post("/v1/incidents/{incident}/fence", dependencies=allowed)
    async def fence(incident: str) -> Fence:  # pyright: ignore[reportUnusedFunction] -- FastAPI keeps it
        return await leases.fence(incident)


def _protecting(app: FastAPI, leases: Leases, settings: Settings) -> None:
    allowed = [Depends(protector(settings))]

    @app.put("/v1/leases/{id}", dependencies=allowed)
    async def take(id: str, body: LeaseRequest) -> Lease:  # pyright: ignore[reportUnusedFunction] -- FastAPI keeps it
        if id != body.id:
            raise Invalid(f"the body is for lease {body.id}, the address for {id}")
        return await leases.take(body)

    @app.post("/v1/leases/{id}/renew", dependencies=allowed)
    async def renew(id: str, body: RenewBody) -> Lease:  # pyright: ignore[reportUnusedFunction] -- FastAPI keeps it
        return await leases.renew(id, body.seconds)

    @app.delete("/v1/leases/{id}", dependencies=allowed)
    async def release(id: str) -> Lease:  # pyright: ignore[reportUnusedFunction] -- FastAPI keeps it
        return await leases.release(id)


def _answer(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_request: Request, error: Exception) -> Response:
        detail = f"nothing was changed: {error}" if status == 503 else str(error)
        return JSONResponse({"detail": detail}, status)

    return answer
