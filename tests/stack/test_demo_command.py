"""``sternway demo`` as a person runs it: to its end, and stopped in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.timeout(240)


def demo(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "workers.cli", "demo", "--json", "--folder", str(folder), *options]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=folder
    )


def left_behind(folder: Path) -> list[str]:
    """Processes that know of *folder* by their command line or their environment."""
    found: list[str] = []
    for process in psutil.process_iter():
        try:
            about = [*process.cmdline(), *process.environ().values()]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(folder) in text for text in about):
            found.append(f"{process.pid} {process.name()}")
    return found


def lines_until(process: subprocess.Popen[str], text: str) -> Iterator[str]:
    assert process.stderr
    for line in process.stderr:
        yield line
        if text in line:
            return


def test_the_demo_recovers_and_leaves_nothing_behind(tmp_path: Path) -> None:
    process = demo(tmp_path, "--fault", "errors")
    output, progress = process.communicate()
    report = json.loads(output.splitlines()[-1])

    assert process.returncode == 0, (report["problems"], progress)
    assert report["healthy"] is True
    assert report["released"] == {"eu": {"v1": 100, "v2": 0}, "us": {"v1": 100, "v2": 0}}
    assert [incident["phase"] for incident in report["incidents"]] == ["resolved", "resolved"]
    assert report["requests"]["sent"] == report["requests"]["ok"] + report["requests"]["failed"]
    assert report["requests"]["failed_after_recovery"] == 0
    assert report["requests"]["failed"] > 0
    assert report["seconds"] < 120
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("starting everything", signal.SIGINT),
        ("starting six services", signal.SIGTERM),
        ("no incident yet", signal.SIGINT),
    ],
)
def test_a_stopped_demo_leaves_nothing_behind(tmp_path: Path, moment: str, number: signal.Signals) -> None:
    process = demo(tmp_path)
    seen = list(lines_until(process, moment))
    assert moment in seen[-1]

    os.kill(process.pid, number)
    time.sleep(0.3)  # a second one, while it stops, as an impatient person sends it
    os.kill(process.pid, number)
    process.communicate(timeout=60)

    assert process.returncode == 130
    assert left_behind(tmp_path) == []


def test_a_demo_that_was_killed_is_cleaned_up_by_the_next_run(tmp_path: Path) -> None:
    first = demo(tmp_path)
    assert list(lines_until(first, "starting six services"))
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    assert left_behind(tmp_path) != []

    second = demo(tmp_path)
    seen = "".join(lines_until(second, "starting everything"))
    os.kill(second.pid, signal.SIGINT)
    second.communicate(timeout=60)

    assert "ended what an earlier run had left" in seen
    assert left_behind(tmp_path) == []


def test_two_demos_in_one_folder_are_refused(tmp_path: Path) -> None:
    first = demo(tmp_path)
    assert list(lines_until(first, "starting everything"))

    second = demo(tmp_path)
    _, said = second.communicate(timeout=30)
    os.kill(first.pid, signal.SIGINT)
    first.communicate(timeout=60)

    assert second.returncode == 2
    assert "another demo runs" in said
