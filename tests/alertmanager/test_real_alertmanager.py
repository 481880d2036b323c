"""A real Alertmanager takes the watcher's place: real Envoy, Prometheus, Alertmanager and gateway, and our own files.

The rules and the routes are those in ``deploy/``, with nothing but addresses and the token's file changed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import yaml

from tests.gateway.running_gateway import ALERTS, a_gateway, settings_for
from tests.gateway.temporal_server import TemporalServer
from tests.telemetry.real_envoy import backend, envoy
from tests.telemetry.real_prometheus import alertmanager, needs_alertmanager, prometheus
from tests.waiting import until
from tests.watch.receiver import receiver

pytestmark = [pytest.mark.alertmanager, needs_alertmanager]

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVICES = {"billing": ("v1",), "payments": ("v1",)}


def prometheus_configuration(envoy_admin: str, alertmanager_url: str) -> str:
    configuration = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(DEPLOY / "prometheus" / "sternway-rules.yml")]
    [peers] = configuration["alerting"]["alertmanagers"]
    peers["static_configs"] = [{"targets": [alertmanager_url.removeprefix("http://")]}]
    [job] = [job for job in configuration["scrape_configs"] if job["job_name"] == "envoy"]
    configuration["scrape_configs"] = [job]
    job["static_configs"] = [{"targets": [envoy_admin.removeprefix("http://")], "labels": {"region": "eu"}}]
    return yaml.safe_dump(configuration)


def alertmanager_configuration(gateway: str, token_file: Path) -> str:
    configuration = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    [webhook] = next(r for r in configuration["receivers"] if r["name"] == "sternway")["webhook_configs"]
    webhook["url"] = f"{gateway}/v1/alerts/alertmanager"
    webhook["http_config"]["authorization"]["credentials_file"] = str(token_file)
    return yaml.safe_dump(configuration)


@contextlib.asynccontextmanager
async def load(*urls: str) -> AsyncIterator[None]:
    """About 50 requests a second to each."""

    async def one(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    await client.get("/")
                await asyncio.sleep(0.02)

    tasks = [asyncio.create_task(one(url)) for url in urls]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_trouble_in_a_service_begins_one_incident_at_the_gateway(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(ALERTS)
    temporal = TemporalServer(tmp_path)
    temporal.start()
    try:
        await temporal.client()
        async with (
            a_gateway(settings_for(tmp_path, temporal.port)) as gateway,
            backend() as upstream,
            envoy(tmp_path, upstream, SERVICES) as proxy,
            alertmanager(tmp_path, alertmanager_configuration(str(gateway.http.base_url).rstrip("/"), token)) as alerts,
            prometheus(tmp_path, prometheus_configuration(proxy.admin, alerts)),
            load(*proxy.listeners.values()),
        ):
            await gateway.parts.connection.client()
            upstream.status = 500
            await until(lambda: gateway.protected.starts, 60, "the incident's first action")

            async def suppressed() -> bool:
                async with httpx.AsyncClient(base_url=alerts, trust_env=False) as client:
                    known = (await client.get("/api/v2/alerts")).json()
                return any(a["labels"]["service"] == "billing" and a["status"]["inhibitedBy"] for a in known)

            await until(suppressed, 30, "the caller's alert is inhibited")
            await gateway.nothing_waits()
            incidents = (await gateway.ask("GET", "/v1/alerts")).json()
            starts = gateway.protected.starts
    finally:
        temporal.stop()
    assert [(s.service, s.region, s.severity, s.reason) for s in starts] == [
        ("payments", "eu", "critical", "ServiceAvailabilityBurn")
    ]
    assert incidents, "the gateway shows the alerts that it has taken"


METRIC = 'demo_error_ratio{service="payments",region="eu"} '
RULES = """
groups:
  - name: demo
    rules:
      - alert: DemoErrorRatioHigh
        expr: demo_error_ratio > 0.5
        labels: {severity: critical}
        annotations: {summary: "error ratio {{ $value }} on {{ $labels.service }}"}
"""


async def test_what_alertmanager_sends_has_the_shape_that_the_watcher_sends(tmp_path: Path) -> None:
    ratio = "0.9"

    async def expose(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = f"{METRIC}{ratio}\n".encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    token = tmp_path / "token"
    token.write_text("a-token")
    (tmp_path / "rules.yml").write_text(RULES)
    metrics = await asyncio.start_server(expose, "127.0.0.1", 0)
    target = f"127.0.0.1:{metrics.sockets[0].getsockname()[1]}"
    async with (
        receiver() as gateway,
        alertmanager(tmp_path, alertmanager_configuration(gateway.url, token)) as alerts,
    ):
        configuration = yaml.safe_load(prometheus_configuration(target, alerts))
        configuration["rule_files"] = [str(tmp_path / "rules.yml")]
        configuration["scrape_configs"][0] |= {"metrics_path": "/metrics", "honor_labels": True}
        gateway.answers = [503]
        async with prometheus(tmp_path, yaml.safe_dump(configuration)):
            await until(lambda: gateway.taken("firing"), 60, "a firing alert is taken")
            ratio = "0.1"
            await until(lambda: gateway.taken("resolved"), 60, "its end is taken")
    metrics.close()
    first, second = gateway.deliveries[:2]
    assert (first.answer, second.answer) == (503, 202)
    assert first.body == second.body
    assert first.headers["authorization"] == "Bearer a-token"
    message = first.message
    assert message["version"] == "4"
    assert message["groupLabels"] == {"region": "eu", "service": "payments"}
    [alert] = message["alerts"]
    assert alert["labels"]["service"] == "payments"
    assert datetime.fromisoformat(alert["startsAt"]) <= datetime.now(UTC)
