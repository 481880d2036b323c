"""A pool: several processes of one region, each replaced when it dies. They share nothing but their queues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

from workers.observability.logs import logger

SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds before a process that died is replaced; doubled while it dies young."""

STOPPED_WITHIN = 20.0
"""Seconds from SIGTERM to SIGKILL for a process that hangs: twice what finishing takes."""

HEALTHY_AFTER = 10.0
"""Seconds of life after which a death counts as the first one again."""


def supervise(region: str, processes: int, *flags: str) -> int:
    """Keep *processes* running until SIGTERM or SIGINT, then let each finish what it does. Returns the exit status.

    *flags* are for each of them: see :mod:`workers.pool.__main__`.
    """
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    keepers = [threading.Thread(target=_keep, args=(region, flags, stop), name=f"keeper-{i}") for i in range(processes)]
    for keeper in keepers:
        keeper.start()
    while not stop.wait(1):
        pass
    for keeper in keepers:
        keeper.join()
    return 0


def _keep(region: str, flags: tuple[str, ...], stop: threading.Event) -> None:
    pause = SHORTEST_PAUSE
    while not stop.is_set():
        born = time.monotonic()
        child = subprocess.Popen(
            [sys.executable, "-m", "workers.pool", "--region", region, "--parent", str(os.getpid()), *flags]
        )
        while child.poll() is None and not stop.wait(0.1):
            pass
        if stop.is_set():
            _end(child)
            return
        pause = SHORTEST_PAUSE if time.monotonic() - born > HEALTHY_AFTER else min(pause * 2, LONGEST_PAUSE)
        logger(__name__).warning("a process of the pool died", status=child.returncode, again_in=pause)
        stop.wait(pause)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Let it finish what it has in hand. It may have been told by whoever told us, or have ended already."""
    child.terminate()
    try:
        child.wait(STOPPED_WITHIN)
    except subprocess.TimeoutExpired:
        logger(__name__).error("a process of the pool does not end, and is killed", after=STOPPED_WITHIN)
        child.kill()
        child.wait()
