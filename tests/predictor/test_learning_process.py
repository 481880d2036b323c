"""The process that learns for the pool: what of it is an answer, and that it ends with the pool."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError

from tests.predictor.kept_services import CATALOG
from workers import predictor

POOL = "import asyncio; from workers import predictor; asyncio.run(predictor._command('examine'))"


def ending(folder: Path, script: str) -> str:
    """In the place of Python, something that only ends."""
    file = folder / "python"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


async def test_a_no_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", ending(tmp_path, "echo no; exit 1"))
    assert await predictor._command("train") == "no\n"


async def test_a_traceback_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", ending(tmp_path, "echo Traceback >&2; exit 1"))
    with pytest.raises(ApplicationError, match="sternway predict train has ended with status 1"):
        await predictor._command("train")


def test_it_ends_with_the_pool_that_asked(tmp_path: Path) -> None:
    """It waits for a server that says nothing: once it does, the pool is killed, and the line is dropped."""
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        url = f"postgresql+psycopg://nobody@127.0.0.1:{server.getsockname()[1]}/nothing"
        told = {"STERNWAY_STORE_URL": url, "STERNWAY_CATALOG": str(tmp_path / "catalog.yaml")}
        pool = subprocess.Popen([sys.executable, "-c", POOL], env={**os.environ, **told})
        try:
            line, _ = server.accept()
            server.close()
            line.settimeout(2)  # it would go on trying for longer
            pool.send_signal(signal.SIGKILL)
            with line:
                while line.recv(1000):
                    pass
        finally:
            pool.kill()
            pool.wait()
