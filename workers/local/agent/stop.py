"""End what an agent left running, without the agent: for a stack that cleans up after a crash."""

from __future__ import annotations

import os
import select
import signal
import time
from pathlib import Path

from workers.local.agent import process
from workers.local.agent.launch import adopt
from workers.local.agent.lock import sole_user
from workers.local.agent.rows import open_rows


def stop_everything(data: Path, patience: float = 10.0) -> int:
    """End every replica that is recorded in *data*, by force after *patience* seconds; how many were alive.

    What was wanted stays wanted: the next agent on *data* starts it again. Raises ``SternwayError`` while an agent runs
    there, because it would replace what is ended here.
    """
    if not (data / "agent.db").exists():
        return 0
    with sole_user(data):
        ledger, rows = open_rows(data)
        alive = adopt(rows)
        watched = {pidfd: row for row in alive if row.identity and (pidfd := process.open_pidfd(row.identity))}
        for pidfd in watched:
            process.send(pidfd, signal.SIGTERM)
        deadline = time.monotonic() + patience
        for pidfd, row in watched.items():
            if not _ended(pidfd, deadline) and row.identity:
                process.kill(row.identity)
                _ended(pidfd, time.monotonic() + patience)
            os.close(pidfd)
        for row in alive:
            rows.remove(row.id)
        ledger.close()
    return len(alive)


def _ended(pidfd: int, deadline: float) -> bool:
    return bool(select.select([pidfd], [], [], max(0.0, deadline - time.monotonic()))[0])
