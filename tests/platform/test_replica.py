"""One replica in the agent's hands: its end is noticed, and a deaf one is ended with all that it started."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.waiting import until
from workers.local.agent import process, replica
from workers.local.agent.replica import Replica
from workers.local.agent.rows import Row

DEAF = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
time.sleep(60)
"""


def started(program: str, folder: Path) -> tuple[Replica, subprocess.Popen[bytes]]:
    with closing(process.listening_socket("127.0.0.1")) as listener:
        child = process.spawn((sys.executable, "-c", program), {}, listener, folder / "log")
        row = Row("01A", "eu", "s", "v1", listener.getsockname()[1], identity=process.identify(child.pid))
    return Replica(row, "127.0.0.1", 0, child), child


async def test_its_end_is_noticed_and_leaves_no_zombie(tmp_path: Path) -> None:
    watched, child = started("pass", tmp_path)
    await until(watched.exited.is_set, 5, "the end to be noticed")
    assert not psutil.pid_exists(child.pid)  # which a zombie does


async def test_one_that_does_not_listen_is_ended_by_force_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "PATIENCE", 0.3)
    deaf, child = started(DEAF, tmp_path)
    await until(lambda: (tmp_path / "log").read_text().endswith("\n"), 5, "the deaf replica and its child")
    await deaf.end()
    assert process.identify(child.pid) is None
    grandchild = int((tmp_path / "log").read_text())
    await until(lambda: process.identify(grandchild) is None, 5, "the end of the grandchild")


async def test_letting_go_leaves_it_alive(tmp_path: Path) -> None:
    kept, child = started("import time; time.sleep(60)", tmp_path)
    kept.let_go()
    assert process.identify(child.pid)
    assert not kept.exited.is_set()
    os.kill(child.pid, 9)
    child.wait()
