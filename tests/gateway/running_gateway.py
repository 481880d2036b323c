"""A gateway in the test's own process, over a real store, a real HTTP server and, if wanted, a real Temporal."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import uvicorn
from pydantic import SecretStr

from models.catalog_file import parse
from models.settings import Settings
from tests.gateway.stand_in import FirstAction, StandIn
from tests.waiting import until
from workers.gateway.application import application
from workers.gateway.connection import Registered
from workers.gateway.parts import Parts
from workers.gateway.server import running
from workers.observability.tracing import Tracing

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Loads no certificates: httpx would do so for each client, though all is plain HTTP here."""

UNTRACED = Tracing("gateway", None)

ALERTS = "alertmanager-secret-5d1f"
PEOPLE = "gateway-secret-77ab"
DEPLOYMENTS = "deployments-secret-2e90"
REPORTS = "reports-secret-b3f8"
METRICS = "metrics-secret-60ca"
GUARDS = "guards-secret-1f73"
TOKENS = {"alertmanager": ALERTS, "deployments": DEPLOYMENTS, "reports": REPORTS, "metrics": METRICS, "guards": GUARDS}

CROWD = 24
"""Services of the catalog that stand for many: ``s00``, ``s01`` and so on, in eu."""

CATALOG = parse(
    """\
version: 1
regions:
  eu:
    mesh: {envoy: {kind: envoy, url: http://127.0.0.1:1, proxies: [eu-1]}}
    platform: {local: {kind: local, url: http://127.0.0.1:1}}
    telemetry: {envoy: {kind: envoy, url: http://127.0.0.1:1}}
    on_pool_loss: peer
    peers: [us]
    environments: [production-eu]
  us:
    mesh: {envoy: {kind: envoy, url: http://127.0.0.1:1, proxies: [us-1]}}
    platform: {local: {kind: local, url: http://127.0.0.1:1}}
    telemetry: {envoy: {kind: envoy, url: http://127.0.0.1:1}}
defaults: {mesh: envoy, platform: local, telemetry: envoy, policy: careful}
policies:
  careful: {level: protect, protect: {action: limit, max_requests: 64}}
services:
  payments:
    tier: 1
    regions: [eu, us]
    port: 7001
    slos: {availability: {objective: 99.9}}
    github: {repository: acme/payments}
  ledger: {tier: 1, regions: [us], port: 7002, slos: {availability: {objective: 99.9}}}
"""
    + "".join(
        f"  s{number:02}: {{tier: 3, regions: [eu], port: {7100 + number},"
        " slos: {availability: {objective: 99}}}\n"
        for number in range(CROWD)
    ),
    "catalog.yaml",
    {},
)


@dataclass
class Gateway:
    """One gateway and a client of it."""

    parts: Parts
    http: httpx.AsyncClient
    protected: FirstAction
    since: datetime

    async def post(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {ALERTS}", **headers}
        return await self.http.post("/v1/alerts/alertmanager", json=body, headers=headers)

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {PEOPLE}", **more.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **more)

    async def nothing_waits(self, seconds: float = 15) -> None:
        async def none() -> bool:
            return (await self.ask("GET", "/v1/alerts?state=pending")).json() == []

        await until(none, seconds, "no alert is pending")


def settings_for(folder: Path, temporal: int, **more: Any) -> Settings:
    return Settings(
        store_url=f"sqlite:///{folder / 'store.db'}",
        temporal_address=f"127.0.0.1:{temporal}",
        gateway_token=SecretStr(PEOPLE),
        alert_tokens={source: SecretStr(token) for source, token in TOKENS.items()},
        **more,
    )


@asynccontextmanager
async def a_gateway(settings: Settings, traces: Tracing = UNTRACED) -> AsyncGenerator[Gateway]:
    """Serve on a free port until the block ends, then stop as the process would."""
    protected, since = FirstAction(), datetime.now(UTC)
    registered = Registered([StandIn], [protected.act])
    async with running(settings, CATALOG, lambda *_: lambda _: registered, traces) as parts:
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(application(parts), log_config=None, access_log=False))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            async with httpx.AsyncClient(base_url=url, timeout=20, verify=NO_TLS) as http:
                await until(lambda: server.started, 5, "the server listens")
                yield Gateway(parts, http, protected, since)
        finally:
            server.should_exit = True
            await serving


def message(*alerts: dict[str, Any], group: str | None = None) -> dict[str, Any]:
    """An Alertmanager message; its group is one of its own unless one is given."""
    return {
        "version": "4",
        "receiver": "sternway",
        "groupKey": group or f"{{}}:{{trial={uuid4().hex}}}",
        "status": "firing",
        "alerts": list(alerts),
    }


def alert(fingerprint: str = "f1", *, status: str = "firing", **labels: str) -> dict[str, Any]:
    """One alert about payments in eu, unless the labels say otherwise."""
    named = {"alertname": "ErrorsHigh", "service": "payments", "region": "eu", "severity": "critical", **labels}
    return {
        "status": status,
        "labels": {name: value for name, value in named.items() if value},
        "annotations": {"summary": f"errors of {fingerprint}"},
        "startsAt": "2026-11-23T14:50:00.938Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": fingerprint,
    }
