"""The whole stack as the demo starts it, once for all tests here, with users; each test gets the bad release anew."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

import deploy.demo
from tests.waiting import until
from workers.local.demo.fleet import Fleet
from workers.local.demo.stack import REGIONS, Stack

GROUPS = itertools.count()


@dataclass
class Running:
    """The stack, and what people and senders do with it."""

    stack: Stack
    fleet: Fleet
    gateway: httpx.AsyncClient
    seen: dict[str, str] = field(default_factory=dict)

    async def alert(self, region: str) -> str:
        """An alert about payments in *region*, of a group of its own. Returns the incident that it opened."""
        known = {row["id"] for row in await self.incidents()}
        body = webhook(region, f"group-{next(GROUPS)}-{time.time_ns()}")
        headers = {"authorization": f"Bearer {self.stack.tokens.alerts}"}
        answer = await self.gateway.post("/v1/alerts/alertmanager", json=body, headers=headers)
        assert answer.status_code == 202, answer.text

        async def opened() -> str | None:
            rows = [row for row in await self.incidents() if row["id"] not in known and row["region"] == region]
            return rows[0]["id"] if rows else None

        return await until(opened, 30, f"the alert about {region} opened an incident")

    async def incidents(self) -> list[dict[str, Any]]:
        return (await self.gateway.get("/v1/incidents")).raise_for_status().json()

    async def incident(self, id: str) -> dict[str, Any]:
        return (await self.gateway.get(f"/v1/incidents/{id}")).raise_for_status().json()

    async def until_phase(self, id: str, *phases: str, seconds: float = 90) -> dict[str, Any]:
        async def there() -> dict[str, Any] | None:
            incident = await self.incident(id)
            return incident if incident["phase"] in phases else None

        return await until(there, seconds, f"the incident is {' or '.join(phases)}")

    async def until_step(self, id: str, step: str, seconds: float = 60) -> None:
        async def done() -> bool:
            return any(
                s["record"]["step"] == step and s["record"]["status"] == "done"
                for s in (await self.incident(id))["steps"]
            )

        await until(done, seconds, f"step {step} is done")


def webhook(region: str, group: str) -> dict[str, Any]:
    """What Alertmanager would send of one firing alert."""
    return {
        "version": "4",
        "groupKey": group,
        "receiver": "sternway",
        "status": "firing",
        "truncatedAlerts": 0,
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.invalid",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "Burn", "service": "payments", "region": region, "severity": "critical"},
                "annotations": {"summary": "payments fails"},
                "startsAt": "2026-01-31T12:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "",
                "fingerprint": group,
            }
        ],
    }


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def whole_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    folder: Path = tmp_path_factory.mktemp("stack")
    stack = Stack(folder, Path(deploy.demo.__path__[0]) / "catalog.yaml", lambda _line: None)
    try:
        await stack.start_ground()
        fleet = Fleet(stack)
        await fleet.register("errors")
        await asyncio.gather(fleet.deploy_all("v1"), stack.start_sternway())
        stack.start_load(20)
        headers = {"authorization": f"Bearer {stack.tokens.gateway}"}
        async with httpx.AsyncClient(base_url=stack.gateway, headers=headers, trust_env=False, timeout=10) as gateway:
            yield Running(stack, fleet, gateway)
        await fleet.close()
    finally:
        await asyncio.to_thread(stack.stop)


@pytest_asyncio.fixture(loop_scope="session")
async def running(whole_stack: Running) -> Running:
    """The stack just after payments v2 was deployed in both regions."""
    for region in REGIONS:
        if (await whole_stack.fleet.weights(region, "payments")).get("v1", 0) != 100:
            await whole_stack.fleet.deploy("payments", "v1", before="v2")
            break
    await whole_stack.fleet.deploy("payments", "v2", before="v1")
    return whole_stack
