"""Many incidents that wait for an approval: a catalog of so many services, and an alert about each of them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from temporalio.client import Client, WorkflowHandle

from bench.result import Progress
from models.catalog import Level
from models.identity import correlation_key
from models.incident import Approval
from workers.local.world import REGION, TOKEN, SmallWorld

AT_A_TIME = 20
"""Incidents that are opened together: what a storm does to Temporal is another benchmark's subject."""
PATIENCE = 1800.0
AWAITING = "SternwayPhase = 'awaiting-approval' AND ExecutionStatus = 'Running'"

HEAD = """
version: 1
regions:
  eu:
    mesh: {envoy: {kind: envoy, url: "${MESH}", proxies: [envoy-eu]}}
    platform: {local: {kind: local, url: "${AGENT}"}}
    telemetry: {envoy: {kind: envoy, url: "${ENVOY}"}}
defaults: {mesh: envoy, platform: local, telemetry: envoy}
policies:
  waiting:
    level: protect
    protect: {action: limit, max_requests: 100}
    lease: 3600
    approval_timeout: 86400
  renewing:
    level: protect
    protect: {action: limit, max_requests: 100}
    lease: 20
    approval_timeout: 21600
    hold_timeout: 600
services:
"""
SERVICE = """
  {name}:
    tier: 2
    regions: [eu]
    port: "${{{port}}}"
    releases: [v2, v1]
    slos: {{availability: {{objective: 99.9}}}}
    policy: {policy}"""


def small_world(folder: Path, services: int) -> SmallWorld:
    """With so many services. Nothing is started yet."""
    policies = {name(number): "waiting" for number in range(services)} | dict.fromkeys(RENEWING, "renewing")
    listed = [SERVICE.format(name=service, port=service.upper(), policy=policies[service]) for service in policies]
    return SmallWorld(folder, HEAD + "".join(listed), [*policies])


RENEWING = tuple(f"renewing{number}" for number in range(40))
"""Services whose incidents renew their leases every ten seconds."""


class Waiting:
    """The services have two releases that nobody has started: a plan for them is made all the same."""

    def __init__(self, world: SmallWorld, client: Client) -> None:
        self._world, self._client = world, client
        self._http = httpx.AsyncClient(trust_env=False, headers={"authorization": f"Bearer {TOKEN}"}, timeout=30)
        self._opened = 0

    async def open(self, count: int, progress: Progress) -> None:
        """Alerts for as many more as it takes until *count* incidents wait."""
        while self._opened < count:
            together = range(self._opened, min(self._opened + AT_A_TIME, count))
            await self._alert([name(number) for number in together])
            self._opened = together.stop
            await self._wait(self._opened, progress)

    async def renewing(self, progress: Progress) -> list[WorkflowHandle[Any, Any]]:
        """Incidents of the services that renew often; they wait for an approval as well."""
        for first in range(0, len(RENEWING), AT_A_TIME):
            await self._alert(RENEWING[first : first + AT_A_TIME])
            await self._wait(first + AT_A_TIME, progress)
        return [self._incident(service) for service in RENEWING]

    async def _alert(self, services: Sequence[str]) -> None:
        url = f"{self._world.gateway}/v1/alerts/alertmanager"
        answer = await self._http.post(url, content=message(services))
        assert answer.status_code == 202, answer.text

    async def _wait(self, count: int, progress: Progress) -> None:
        deadline = time.monotonic() + PATIENCE
        while (there := (await self._client.count_workflows(AWAITING)).count) < count:
            assert time.monotonic() < deadline, f"only {there} of {count} incidents wait after {PATIENCE:g} s"
            progress(f"{there} of {count} incidents wait")
            await asyncio.sleep(0.2)

    async def approve(self, number: int) -> float:
        """Milliseconds until the approval of one of them is in its history."""
        began = time.perf_counter()
        await self._incident(name(number)).execute_update(  # pyright: ignore[reportUnknownMemberType] -- an overload of the SDK's
            "approve", Approval(by="bench"), result_type=str
        )
        return (time.perf_counter() - began) * 1000

    def _incident(self, service: str) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(correlation_key(REGION, service, Level.PROTECT))

    async def close(self) -> None:
        await self._http.aclose()


def name(number: int) -> str:
    return f"service{number}"


def message(services: Sequence[str]) -> bytes:
    alerts = [
        {
            "status": "firing",
            "labels": {"alertname": "ErrorsHigh", "service": service, "region": REGION, "severity": "critical"},
            "annotations": {"summary": "it fails more requests than it may"},
            "startsAt": "2026-01-31T12:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "fingerprint": hashlib.sha256(service.encode()).hexdigest()[:16],
        }
        for service in services
    ]
    group = f"{{}}:{{part={services[0]}}}"
    whole = {"version": "4", "receiver": "bench", "groupKey": group, "status": "firing", "alerts": alerts}
    return json.dumps(whole).encode()
