"""A gateway and a pool as processes that say where they are, in the small world."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from tests.processes.standstill import Standstill
from tests.waiting import until
from tests.world.world import World
from workers.local.world import REGION


class Service:
    """Gateway and a pool of two processes that say where they are."""

    def __init__(self, world: World, temporal: Client, gateway: httpx.AsyncClient, points: Standstill) -> None:
        self.world, self.temporal, self.gateway, self.points = world, temporal, gateway, points
        self._before = 0

    @property
    def environment(self) -> dict[str, str]:
        return {"STERNWAY_FAULT_POINTS": str(self.points.socket)}

    def said(self, part: str, event: str) -> list[dict[str, Any]]:
        """Lines of a part's log."""
        log = self.world.processes.log(part)
        lines = [line for line in log.read_text().splitlines() if line.startswith("{")] if log.exists() else []
        return [line for line in map(json.loads, lines) if line["event"] == event]

    async def start_pool(self) -> None:
        """Two processes, which poll."""
        self._before = self._joined()
        await self.world.start_pool(2, self.environment)
        await self.all_poll()

    async def all_poll(self) -> None:
        """Until whoever has died or drained has been replaced."""

        async def two() -> bool:
            return self._joined() - self._before >= 2

        await until(two, 40, "two processes poll")

    def _joined(self) -> int:
        return len(self.said("pool", "polling")) - len(self.said("pool", "a process of the pool died"))

    async def pool_apart(self, **environment: str) -> asyncio.subprocess.Process:
        """A pool of two processes whose exit status is seen; its log is the pool's. The caller ends it."""
        command = [sys.executable, "-m", "workers.cli", "pool", "--region", REGION]
        whole = {**self.world.environment, **self.environment, **environment}
        with self.world.processes.log("pool").open("ab") as log:
            return await asyncio.create_subprocess_exec(*command, env=whole, stdout=log, stderr=log)

    async def begin(self) -> str:
        body = {"service": "payments", "region": REGION, "reason": "a test", "level": "full"}
        return (await self.gateway.post("/v1/incidents", json=body)).raise_for_status().json()["incident"]

    async def resolved(self, id: str) -> dict[str, Any]:
        """Whatever it has held for in between."""

        async def over() -> dict[str, Any] | None:
            incident = (await self.gateway.get(f"/v1/incidents/{id}")).raise_for_status().json()
            return incident if incident["phase"] == "resolved" else None

        return await until(over, 90, "the incident is resolved")

    async def undisturbed(self, id: str) -> dict[str, Any]:
        """Resolved without ever having held."""

        async def over() -> dict[str, Any] | None:
            incident = (await self.gateway.get(f"/v1/incidents/{id}")).raise_for_status().json()
            return incident if incident["phase"] in ("resolved", "held", "aborted") else None

        ended = await until(over, 90, "the incident has ended, or holds")
        assert ended["phase"] == "resolved", ended["detail"]
        return ended

    async def events(self, workflow: str) -> list[HistoryEvent]:
        return [*(await self.temporal.get_workflow_handle(workflow).fetch_history()).events]


def attempts(events: list[HistoryEvent], activity: str) -> list[int]:
    """How often each call of *activity* was begun."""
    scheduled = {
        event.event_id
        for event in events
        if event.activity_task_scheduled_event_attributes.activity_type.name == activity
    }
    started = [event.activity_task_started_event_attributes for event in events]
    return [one.attempt for one in started if one.scheduled_event_id in scheduled]


def failed_tasks(events: list[HistoryEvent]) -> list[str]:
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    return [str(event.workflow_task_failed_event_attributes) for event in events if event.event_type == failed]


def effects(incident: dict[str, Any]) -> list[str]:
    """The keys under which the incident's changes are recorded, each as often as it is."""
    return [receipt["key"] for step in incident["steps"] for receipt in step["receipts"]]
