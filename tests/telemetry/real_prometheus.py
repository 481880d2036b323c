"""Debian's Prometheus and Alertmanager on loopback, with directories of their own and nothing of the system's."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.waiting import until

PROMETHEUS = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")
ALERTMANAGER = shutil.which("prometheus-alertmanager")

needs_prometheus = pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed (Debian: prometheus)")
needs_promtool = pytest.mark.skipif(
    PROMETHEUS is None or PROMTOOL is None, reason="prometheus and its promtool are not installed (Debian: prometheus)"
)
needs_alertmanager = pytest.mark.skipif(
    PROMETHEUS is None or ALERTMANAGER is None,
    reason="not installed (Debian: prometheus and prometheus-alertmanager)",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.asynccontextmanager
async def prometheus(directory: Path, configuration: str) -> AsyncIterator[str]:
    """A Prometheus with this configuration file; its URL."""
    port = free_port()
    file = directory / "prometheus.yml"
    file.write_text(configuration)
    arguments = (
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    )
    async with _running(directory / "prometheus.log", str(PROMETHEUS), arguments, f"http://127.0.0.1:{port}") as url:
        yield url


async def backfill(directory: Path, openmetrics: str) -> None:
    """Samples of the past for a :func:`prometheus` that is started in *directory* afterwards."""
    file = directory / "past.txt"
    file.write_text(openmetrics)
    arguments = ("tsdb", "create-blocks-from", "openmetrics", str(file), str(directory / "tsdb"))
    with (directory / "promtool.log").open("ab") as output:
        process = await asyncio.create_subprocess_exec(str(PROMTOOL), *arguments, stdout=output, stderr=output)
    assert await process.wait() == 0, f"see {directory / 'promtool.log'}"


@contextlib.asynccontextmanager
async def alertmanager(directory: Path, configuration: str) -> AsyncIterator[str]:
    """An Alertmanager without peers with this configuration file; its URL."""
    port = free_port()
    file = directory / "alertmanager.yml"
    file.write_text(configuration)
    arguments = (
        f"--config.file={file}",
        f"--storage.path={directory / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=debug",
    )
    log = directory / "alertmanager.log"
    async with _running(log, str(ALERTMANAGER), arguments, f"http://127.0.0.1:{port}") as url:
        yield url


@contextlib.asynccontextmanager
async def _running(log: Path, binary: str, arguments: tuple[str, ...], url: str) -> AsyncIterator[str]:
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(binary, *arguments, stdout=output, stderr=output)
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:

            async def ready() -> bool:
                assert process.returncode is None, f"{binary} ended; see {log}"
                with contextlib.suppress(httpx.HTTPError):
                    return (await client.get("/-/ready")).status_code == 200
                return False

            await until(ready, 30, f"{binary} is ready")
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), 10)
        if process.returncode is None:
            process.kill()
            await process.wait()
