"""The gateway as its own process: how it starts, what it logs, and how it stops."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.gateway.running_gateway import ALERTS, CATALOG, NO_TLS, PEOPLE, alert, message
from tests.waiting import until
from workers.local.ports import free_ports

PROTECT = "protect-secret-9c2e"


@asynccontextmanager
async def sternway_gateway(folder: Path) -> AsyncGenerator[tuple[Process, httpx.AsyncClient]]:
    """``sternway gateway`` with a store of its own and no Temporal."""
    port, temporal = free_ports(2)
    (folder / "catalog.yaml").write_text(CATALOG.text)
    environment = {
        **os.environ,
        "STERNWAY_CATALOG": str(folder / "catalog.yaml"),
        "STERNWAY_STORE_URL": f"sqlite:///{folder / 'store.db'}",
        "STERNWAY_GATEWAY_PORT": str(port),
        "STERNWAY_TEMPORAL_ADDRESS": f"127.0.0.1:{temporal}",
        "STERNWAY_GATEWAY_TOKEN": PEOPLE,
        "STERNWAY_PROTECT_TOKEN": PROTECT,
        "STERNWAY_ALERT_TOKENS": json.dumps({"alertmanager": ALERTS}),
    }
    command = [str(Path(sys.executable).parent / "sternway"), "gateway"]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=PIPE)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=NO_TLS, timeout=20) as http:

            async def listens() -> bool:
                try:
                    return (await http.get("/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await until(listens, 30, "the gateway listens")
            yield process, http
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_on_sigterm_it_answers_what_it_has_accepted_and_ends_well(tmp_path: Path) -> None:
    body = json.dumps(message(alert())).encode()
    half_sent, stopping = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncGenerator[bytes]:
        yield body[:100]
        half_sent.set()
        await stopping.wait()
        yield body[100:]

    async with sternway_gateway(tmp_path) as (process, http):
        headers = {"Authorization": f"Bearer {ALERTS}"}
        posting = asyncio.create_task(http.post("/v1/alerts/alertmanager", content=slowly(), headers=headers))
        await half_sent.wait()
        process.send_signal(signal.SIGTERM)

        async def refuses() -> bool:
            try:
                async with httpx.AsyncClient(base_url=http.base_url, verify=NO_TLS) as other:
                    await other.get("/healthz")
            except httpx.TransportError:
                return True
            return False

        await until(refuses, 10, "no further connection is accepted")
        stopping.set()
        assert (await posting).status_code == 202
        assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_no_secret_is_in_any_line_of_the_log(tmp_path: Path) -> None:
    async with sternway_gateway(tmp_path) as (process, http):
        url = "/v1/alerts/alertmanager"
        for headers in ({}, {"Authorization": f"Bearer {ALERTS}x"}, {"Authorization": f"Bearer {ALERTS}"}):
            await http.post(url, json=message(alert(service="nowhere")), headers=headers)
            await http.post(url, content=f'{{"alerts": "{ALERTS}"}}'.encode(), headers=headers)
        await http.get(f"/v1/incidents?token={PEOPLE}", headers={"Authorization": f"Bearer {PEOPLE}"})
        await http.post(f"/v1/alerts/{PROTECT}", headers={"Authorization": f"Bearer {PROTECT}"})
        process.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(process.communicate(), 20)
    lines = err.decode().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert "gateway listens" in events
    assert "delivery quarantined" in events
    for secret in (ALERTS, PEOPLE, PROTECT):
        assert secret not in err.decode()
        assert secret not in out.decode()
    assert f"Bearer {ALERTS}".encode() not in _stored(tmp_path)


def _stored(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("store.db*"))


@pytest.mark.parametrize("wrong", ["STERNWAY_GATEWAY_PORT", "STERNWAY_CATALOG"])
def test_a_taken_port_and_a_missing_catalog_are_said_plainly(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "catalog.yaml").write_text(CATALOG.text)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment = {
            **os.environ,
            "STERNWAY_STORE_URL": f"sqlite:///{tmp_path / 'store.db'}",
            "STERNWAY_CATALOG": str(tmp_path / ("none.yaml" if wrong == "STERNWAY_CATALOG" else "catalog.yaml")),
            "STERNWAY_GATEWAY_PORT": str(taken.getsockname()[1]),
        }
        command = [str(Path(sys.executable).parent / "sternway"), "gateway"]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert wrong in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
