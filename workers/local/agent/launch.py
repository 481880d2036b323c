"""Start one replica, so that its process is found again whatever instant the agent dies at.

The order is the point: listen (the port is known), write the row, start the process, write who it is. An agent that
dies before the start leaves a row without a process; one that dies after it leaves a process whose environment names
its row.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from ulid import ULID

from workers.local.agent import process
from workers.local.agent.rows import Group, HowToRun, Row, Rows


@dataclass(frozen=True)
class Launched:
    """A process that was started. *row* has no identity if it died before it could be looked at."""

    row: Row
    child: subprocess.Popen[bytes]


def launch(rows: Rows, group: Group, how: HowToRun, host: str, logs: Path) -> Launched:
    """Start a replica of *group*. Raises ``OSError`` where the command cannot be started; then no row is left."""
    with closing(process.listening_socket(host)) as listener:
        row = Row(str(ULID()), group.region, group.service, group.release, listener.getsockname()[1])
        rows.add(row)
        environment = {
            **how.env,
            process.REPLICA_VARIABLE: row.id,
            "STERNWAY_REGION": group.region,
            "STERNWAY_SERVICE": group.service,
            "STERNWAY_RELEASE": group.release,
        }
        log = logs / f"{group.region}-{group.service}-{group.release}.log"
        try:
            child = process.spawn(how.command, environment, listener, log)
        except OSError:
            rows.remove(row.id)
            raise
    identity = process.identify(child.pid)
    if identity:
        try:
            rows.started(row.id, identity)
        except sqlite3.Error:  # nobody would know of it: not probed, not drained, not ended
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
    return Launched(replace(row, identity=identity), child)


def adopt(rows: Rows) -> tuple[Row, ...]:
    """The recorded replicas that are alive, each with its identity; the rows of the dead are removed."""
    recorded = rows.replicas()
    unrecorded = process.find(row.id for row in recorded if row.identity is None)
    alive: list[Row] = []
    for row in recorded:
        identity = row.identity or unrecorded.get(row.id)
        if identity is None or process.identify(identity.pid) != identity:
            rows.remove(row.id)
            continue
        if row.identity is None:
            rows.started(row.id, identity)
        alive.append(replace(row, identity=identity))
    return tuple(alive)
