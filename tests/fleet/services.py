"""Replicas of the demo's services for tests, started as the platform starts them, wired to each other directly."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from deploy.demo.fleet.releases import how_to_run
from workers.local.agent.process import listening_socket, spawn


@dataclass(frozen=True)
class Running:
    url: str
    child: subprocess.Popen[bytes]

    def post(self, path: str) -> httpx.Response:
        return httpx.post(self.url + path, timeout=5)


@contextmanager
def running(
    folder: Path, service: str, release: str, downstream: Mapping[str, str], fault: str = "none"
) -> Generator[Running, None, None]:
    """A replica in region eu. Callers may connect at once: they wait in its socket's queue until it is up."""
    how = how_to_run(service, release, {"eu": downstream}, fault)
    identity = {"STERNWAY_SERVICE": service, "STERNWAY_RELEASE": release, "STERNWAY_REGION": "eu"}
    with closing(listening_socket("127.0.0.1")) as listener:
        log = folder / f"{service}.log"
        child = spawn(tuple(how["command"]), {**how["env"], **identity}, listener, log)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield Running(url, child)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=15)


def percentile(seconds: list[float], share: float) -> float:
    return sorted(seconds)[int(share * len(seconds))]


def timed(client: httpx.Client, path: str) -> tuple[int, float]:
    """Status and seconds of one POST."""
    began = time.monotonic()
    status = client.post(path).status_code
    return status, time.monotonic() - began
