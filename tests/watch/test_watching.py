"""The watcher as a process, over a real Envoy: trouble becomes a webhook, and its end becomes one too."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.telemetry.real_envoy import Backend, RealEnvoy, backend, envoy
from tests.waiting import until
from tests.watch.receiver import Receiver, receiver

SCRIPT = str(Path(sys.executable).parent / "sternway")
TOKEN = "the-watchers-token"
SERVICES = {"billing": ("v1",), "payments": ("v1",)}


@dataclass
class Scene:
    directory: Path
    upstream: Backend
    proxy: RealEnvoy
    receiver: Receiver

    @property
    def log(self) -> str:
        file = self.directory / "watch.log"
        return file.read_text() if file.exists() else ""

    @contextlib.asynccontextmanager
    async def watching(self, *more: str) -> AsyncIterator[asyncio.subprocess.Process]:
        catalog = self.directory / "catalog.yaml"
        catalog.write_text(CATALOG.replace("ADMIN", self.proxy.admin))
        arguments = ("watch", "--catalog", str(catalog), "--gateway", self.receiver.url, *more)
        environment = {**os.environ, "STERNWAY_ALERT_TOKENS": json.dumps({"alertmanager": TOKEN})}
        with (self.directory / "watch.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(SCRIPT, *arguments), env=environment, stdout=log, stderr=log
            )
        try:
            await until(lambda: '"watching"' in self.log or process.returncode is not None, 20, "the watcher watches")
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    @contextlib.asynccontextmanager
    async def traffic(self, *services: str) -> AsyncIterator[None]:
        """About 60 requests a second to each of the services."""
        tasks = [asyncio.create_task(_load(self.proxy.listeners[service])) for service in services]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


CATALOG = """
version: 1
regions:
  eu:
    mesh: {envoy: {kind: envoy, url: "http://127.0.0.1:1", proxies: [envoy-eu]}}
    platform: {local: {kind: local, url: "http://127.0.0.1:1"}}
    telemetry: {envoy: {kind: envoy, url: "ADMIN"}}
defaults: {mesh: envoy, platform: local, telemetry: envoy}
services:
  billing:
    tier: 1
    regions: [eu]
    port: 20001
    depends_on: [payments]
    slos: {availability: {objective: 99.9}}
  payments:
    tier: 1
    regions: [eu]
    port: 20002
    slos: {availability: {objective: 99.9}, latency: {objective: 95, threshold_ms: 100}}
"""

QUICK = ("--windows", "6m:1m:14.4", "--scale", "60", "--tick", "0.1", "--min-requests", "20")


async def _load(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                await client.get("/")
            await asyncio.sleep(1 / 60)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with backend() as upstream, envoy(tmp_path, upstream, SERVICES) as proxy, receiver() as here:
        yield Scene(tmp_path, upstream, proxy, here)


async def test_trouble_is_sent_until_it_is_taken_and_its_end_too_and_callers_stay_silent(scene: Scene) -> None:
    scene.receiver.answers = [503, 503]
    async with scene.watching(*QUICK) as watcher, scene.traffic("payments", "billing"):
        assert "divided by 60: this is for demonstrations" in scene.log
        await until(lambda: scene.upstream.served > 100, 20, "healthy traffic")
        scene.upstream.status = 500
        await until(lambda: scene.receiver.taken("firing"), 20, "the alert is taken")
        scene.upstream.status = 200
        await until(lambda: scene.receiver.taken("resolved"), 20, "the end is taken")
        await until(lambda: "alert no longer inhibited" in scene.log, 20, "billing is well again")
        watcher.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(watcher.wait(), 10) == 0
    first, *repeats = scene.receiver.deliveries[:3]
    assert [d.answer for d in scene.receiver.deliveries] == [503, 503, 202, 202]
    assert all(d.body == first.body for d in repeats)
    assert first.path == "/v1/alerts/alertmanager"
    assert first.headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in scene.log
    firing, resolved = scene.receiver.taken()
    for message, status in ((firing, "firing"), (resolved, "resolved")):
        assert message["status"] == status
        assert message["groupKey"] == '{}:{region="eu", service="payments"}'
        [alert] = message["alerts"]
        assert alert["status"] == status
        assert alert["labels"] == {
            "alertname": "ServiceAvailabilityBurn",
            "region": "eu",
            "service": "payments",
            "severity": "critical",
            "slo": "availability",
        }
    assert resolved["alerts"][0]["fingerprint"] == firing["alerts"][0]["fingerprint"]
    assert resolved["alerts"][0]["startsAt"] == firing["alerts"][0]["startsAt"]
    assert resolved["alerts"][0]["endsAt"] > resolved["alerts"][0]["startsAt"]
    assert "alert inhibited by dependencies in trouble" in scene.log


async def test_slow_answers_are_trouble_where_the_catalog_has_a_latency_objective(scene: Scene) -> None:
    scene.upstream.delay = 0.15
    async with scene.watching(*QUICK, "--min-requests", "2"), scene.traffic("payments", "billing"):
        await until(lambda: scene.receiver.taken("firing"), 20, "the alert is taken")
    assert {a["labels"]["slo"] for m in scene.receiver.taken() for a in m["alerts"]} == {"latency"}
    assert {m["groupLabels"]["service"] for m in scene.receiver.taken()} == {"payments"}


async def test_a_firing_alert_is_repeated(scene: Scene) -> None:
    scene.upstream.status = 500
    async with scene.watching(*QUICK, "--repeat", "300ms"), scene.traffic("payments"):
        await until(lambda: len(scene.receiver.taken("firing")) >= 3, 20, "two repeats")
    assert len({m["alerts"][0]["startsAt"] for m in scene.receiver.taken()}) == 1


async def test_telemetry_that_is_away_is_said_once_and_alerts_nobody(scene: Scene) -> None:
    async with scene.watching(*QUICK), scene.traffic("payments"):
        await until(lambda: scene.upstream.served > 20, 20, "traffic")
        await scene.proxy.stop()
        await until(lambda: scene.log.count("no telemetry") == 2, 20, "both services are out of sight")
        await scene.proxy.start()
        await until(lambda: scene.log.count("there is telemetry again") == 2, 20, "both are back")
    assert scene.log.count("no telemetry") == 2
    assert not scene.receiver.deliveries


async def test_interrupted_it_stops_at_once_even_while_nobody_takes_its_alert(scene: Scene) -> None:
    scene.receiver.answers = [503] * 1000
    scene.upstream.status = 500
    async with scene.watching(*QUICK) as watcher, scene.traffic("payments"):
        await until(lambda: len(scene.receiver.deliveries) > 1, 20, "a retry")
        watcher.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(watcher.wait(), 5) == 0


async def test_a_watcher_without_a_token_says_what_to_set(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("STERNWAY_")}
    process = await asyncio.create_subprocess_exec(*(SCRIPT, "watch"), env=environment, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"STERNWAY_ALERT_TOKENS" in said
