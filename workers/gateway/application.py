"""The gateway as an ASGI application: its routes, and one answer for each way in which a request can fail."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from activities.analytics.store import StoreUnavailable
from workers.gateway import alerts, deployments, guards, health, incidents, reports
from workers.gateway.authentication import Unauthenticated
from workers.gateway.body import Overloaded, TooLarge, TooSlow
from workers.gateway.parts import Parts
from workers.observability.logs import logger


def application(parts: Parts) -> FastAPI:
    """The application over *parts*, which somebody else opens, runs and closes."""
    app = FastAPI(title="Sternway gateway", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.parts = parts
    for router in (health.router, alerts.router, deployments.router, reports.router, incidents.router, guards.router):
        app.include_router(router)
    app.add_exception_handler(Unauthenticated, _unauthenticated)
    app.add_exception_handler(TooLarge, _too_large)
    app.add_exception_handler(TooSlow, _too_slow)
    app.add_exception_handler(Overloaded, _overloaded)
    app.add_exception_handler(StoreUnavailable, _store_unavailable)
    return app


async def _unauthenticated(request: Request, error: Exception) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"}
    return JSONResponse(
        {"detail": f"missing or wrong credentials; this takes {error}"}, status_code=401, headers=headers
    )


async def _too_large(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=413)


async def _too_slow(request: Request, error: Exception) -> JSONResponse:
    """The connection goes too: what is left of the body is waited for by nobody."""
    detail = "the body was not there in time, so nothing was accepted; send it again, and all of it at once"
    return JSONResponse({"detail": detail}, status_code=408, headers={"Connection": "close"})


async def _overloaded(request: Request, error: Exception) -> JSONResponse:
    return _again("too much is being received at this moment; send it again")


async def _store_unavailable(request: Request, error: Exception) -> JSONResponse:
    logger(__name__).error("store unavailable", path=request.url.path, reason=str(error))
    return _again("the store is not available, so nothing was accepted; send it again")


def _again(detail: str) -> JSONResponse:
    answer: dict[str, Any] = {"detail": detail}
    return JSONResponse(answer, status_code=503, headers={"Retry-After": "1"})
