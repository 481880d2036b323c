"""Alerts that come and go after a rollback do not swing the service to and fro."""

from __future__ import annotations

import time

import pytest

from tests.stack.conftest import Running, webhook
from tests.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

ALERTS = 50


async def say(running: Running, group: str, *, firing: bool, number: int) -> None:
    body = webhook("eu", group)
    body["status"] = body["alerts"][0]["status"] = "firing" if firing else "resolved"
    body["alerts"][0]["startsAt"] = f"2026-01-31T12:{number:02d}:00Z"
    if not firing:
        body["alerts"][0]["endsAt"] = f"2026-01-31T12:{number:02d}:30Z"
    headers = {"authorization": f"Bearer {running.stack.tokens.alerts}"}
    answer = await running.gateway.post("/v1/alerts/alertmanager", json=body, headers=headers)
    assert answer.status_code == 202, answer.text


async def test_fifty_oscillating_alerts_give_one_rollback_and_one_hold(running: Running) -> None:
    known = {row["id"] for row in await running.incidents()}
    group = f"flapping-{time.time_ns()}"
    await say(running, group, firing=True, number=0)

    async def opened() -> list[str]:
        return [row["id"] for row in reversed(await running.incidents()) if row["id"] not in known]

    (first,) = await until(opened, 30, "the first alert opened an incident")
    ended = await running.until_phase(first, "resolved", "held", "aborted")
    assert ended["phase"] == "resolved", ended["detail"]
    assert await running.fleet.weights("eu", "payments") == {"v1": 100, "v2": 0}

    for number in range(1, ALERTS):
        await say(running, group, firing=number % 2 == 0, number=number)

    async def both() -> list[str] | None:
        found = await opened()
        return found if len(found) > 1 else None

    _, second = await until(both, 30, "the alerts after the rollback opened one more incident")
    held = await running.until_phase(second, "held", "resolved")
    assert held["phase"] == "held"
    assert "payments was already taken back from v2 to v1" in held["detail"]
    assert len(await opened()) == 2
    assert [step["record"]["step"] for step in held["steps"] if step["receipts"]] == []
    assert await running.fleet.weights("eu", "payments") == {"v1": 100, "v2": 0}

    word = {"by": "a test", "reason": "it was looked at"}
    (await running.gateway.post(f"/v1/incidents/{second}/abort", json=word)).raise_for_status()
    assert (await running.until_phase(second, "aborted"))["phase"] == "aborted"
