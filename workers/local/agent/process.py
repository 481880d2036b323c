"""What the kernel knows of a replica: start it, recognise it after our own death, end it, and nobody else.

A pid is recycled, so a process is known by its pid *and* the instant it was created: clock ticks since boot and the
boot's id, which, unlike a wall-clock time, do not shift when the clock is set. Signals go through a pidfd that was
opened before the identity was checked, so that they cannot reach a successor.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

REPLICA_VARIABLE = "STERNWAY_REPLICA"
FD_VARIABLE = "STERNWAY_FD"
INHERITED = ("PATH", "LANG", "PYTHONPATH")
"""All that a replica gets of the agent's own environment, which holds tokens."""


@dataclass(frozen=True)
class Identity:
    """One process, for ever."""

    pid: int
    created: str
    """``<boot id>/<clock ticks since boot>``."""


def listening_socket(host: str) -> socket.socket:
    """A listening TCP socket on a free port of *host*. Callers that come before the replica is up wait in its queue."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind((host, 0))
    listener.listen(2048)
    return listener


def spawn(
    command: tuple[str, ...], environment: dict[str, str], listener: socket.socket, log: Path
) -> subprocess.Popen[bytes]:
    """Start *command* in a session of its own, with *listener* inherited. Raises ``OSError`` where it cannot start."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env={**inherited, **environment, FD_VARIABLE: str(listener.fileno())},
            pass_fds=(listener.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
        )


def identify(pid: int) -> Identity | None:
    """The identity of the live process *pid*; None where there is none, or only a zombie of it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else Identity(pid, f"{_boot()}/{rest[18]}")


def open_pidfd(identity: Identity) -> int | None:
    """A pidfd of exactly this process, for the caller to close; None where it is dead."""
    try:
        pidfd = os.pidfd_open(identity.pid)
    except OSError:
        return None
    if identify(identity.pid) == identity:
        return pidfd
    os.close(pidfd)
    return None


def send(pidfd: int, number: signal.Signals) -> None:
    """Signal the process of *pidfd*; one that has died in the meantime needs none."""
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, number)


def kill(identity: Identity) -> None:
    """End the process and all of the group that it leads."""
    if identify(identity.pid) == identity:
        with suppress(ProcessLookupError):
            os.killpg(identity.pid, signal.SIGKILL)


def find(replicas: Iterable[str]) -> dict[str, Identity]:
    """Live session leaders that were started as one of *replicas*, recognised by their environment."""
    wanted = {f"{REPLICA_VARIABLE}={replica}".encode(): replica for replica in replicas}
    found: dict[str, Identity] = {}
    for entry in Path("/proc").glob("[0-9]*") if wanted else ():
        pid = int(entry.name)
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            leads = os.getsid(pid) == pid
        except OSError:  # it has ended, or belongs to another user
            continue
        identity = identify(pid) if leads else None
        if identity:
            found.update({wanted[text]: identity for text in environment if text in wanted})
    return found


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
