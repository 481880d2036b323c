"""A platform agent as a process of its own, for tests: started, killed, started again, and always cleaned up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from deploy.demo.fleet.releases import how_to_run
from tests.waiting import until
from workers.local.agent.stop import stop_everything

TOKEN = "operate-token-of-a-test"
ROOT = Path(__file__).parents[2]


class AgentProcess:
    """``sternway agent`` on *data*. Use as a context manager: it leaves nothing behind."""

    def __init__(self, data: Path, region: str = "eu") -> None:
        """*region*: whose replicas are wanted and listed here."""
        self.data, self.region = data, region
        self.url = ""

    def __enter__(self) -> AgentProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        stop_everything(self.data, patience=2)

    def start(self) -> None:
        program = "from workers.cli.main import run; run()"
        options = ["--data", str(self.data), "--port", "0", "--grace", "0"]
        with (self.data.parent / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, "agent", *options],
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, "STERNWAY_OPERATE_TOKEN": TOKEN, "STERNWAY_PROTECT_TOKEN": "protect-token"},
            )
        assert self.process.stdout
        self.url = self.process.stdout.readline().decode().removeprefix("agent: ").strip()
        assert self.url, (self.data.parent / "agent.log").read_text()
        self.connect()

    def connect(self) -> None:
        """A client for the event loop of this test."""
        self.client = httpx.AsyncClient(base_url=self.url, headers={"authorization": f"Bearer {TOKEN}"}, timeout=20)

    def kill(self) -> None:
        """kill -9, and take the zombie away."""
        self.process.kill()
        self.process.wait()

    async def register(self, service: str, release: str, how: dict[str, Any] | None = None) -> None:
        body = how or how_to_run(service, release, {}, "none")
        response = await self.client.put(f"/v1/services/{service}/releases/{release}", json=body)
        assert response.status_code == 200, response.text

    async def want(self, step: str, service: str, **releases: int) -> None:
        body = {
            "key": f"TEST:{self.region}-{step}:do:1",
            "fields": {f"replicas/{name}": n for name, n in releases.items()},
        }
        response = await self.client.post(f"/v1/regions/{self.region}/services/{service}/changes", json=body)
        assert response.status_code == 200, response.text

    async def restart(self, step: str, service: str, release: str = "v1") -> None:
        body = {
            "key": f"TEST:{self.region}-{step}:do:1",
            "fields": {f"restarted/{release}": "2026-01-31T12:00:00Z"},
        }
        response = await self.client.post(f"/v1/regions/{self.region}/services/{service}/changes", json=body)
        assert response.status_code == 200, response.text

    async def replicas(self) -> list[dict[str, Any]]:
        listed = (await self.client.get("/v1/replicas")).json()["replicas"]
        return [replica for replica in listed if replica["region"] == self.region]

    async def ready(self, count: int, releases: Sequence[str] = ("v1", "v2")) -> list[dict[str, Any]]:
        """The ready replicas, once they are exactly so many and no others exist."""

        async def settled() -> list[dict[str, Any]]:
            listed = await self.replicas()
            whole = len(listed) == count and all(r["status"] == "ready" and r["release"] in releases for r in listed)
            return listed or [{}] if whole else []

        return [replica for replica in await until(settled, 15, f"{count} ready replicas and no others") if replica]
