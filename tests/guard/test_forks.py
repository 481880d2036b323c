"""A process that forks while its guards are in use: its children have guards that work, and tell nothing for it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from plane import Plane

from tests.waiting import until

PROGRAM = Path(__file__).with_name("forking.py")


@pytest.mark.parametrize(
    "scene", ["a_breaker", "a_listener", "a_limit", "a_retry", "a_registry", "an_answer", "a_place", "calls", "probes"]
)
def test_what_other_threads_were_in_is_open_to_the_child(scene: str) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), scene], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


async def test_what_has_happened_before_is_told_once_and_every_child_listens_by_itself() -> None:
    plane = Plane()
    plane.start()
    plane.kill()  # it has a port, and is away
    plane.says = [
        b'{"v": 1, "epoch": 1, "since": 0, "ttl": 30, "intents": {"payments": {"mode": "shadow", "override": true}}}\n'
    ]
    plane.hangs = True
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), "tells", f"http://127.0.0.1:{plane.port}", stdin=-1, stdout=-1
    )
    assert process.stdin
    assert process.stdout
    assert await process.stdout.readline() == b"forked\n"
    plane.start()

    def told() -> list[str]:
        return sorted(one["target"] for report in plane.told for one in report["transitions"])

    await until(lambda: len(told()) >= 4, 20, "all have told")
    process.stdin.close()
    assert await process.wait() == 0, "each has heard"
    assert told() == ["child-0", "child-1", "child-2", "payments"]
    plane.kill()
