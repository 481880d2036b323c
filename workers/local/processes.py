"""Processes of a local stack: recorded before they matter, stopped in reverse order, swept up after a crash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from models.base import SternwayError

STOP_SECONDS = 12.0
"""From SIGTERM to SIGKILL: longer than what a pool takes to finish its activities."""


class ProcessFailed(SternwayError):
    """A process of the stack ended or did not become ready; the end of its log says why."""


@dataclass(frozen=True)
class Started:
    """One process. The time of its creation tells it from another one that got its number later."""

    name: str
    pid: int
    created: float

    def alive(self) -> bool:
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            return process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE
        return False


class Processes:
    """The processes of one run, in a folder that has their logs and the list of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._list = folder / "processes.json"
        self._started: list[Started] = []
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {}

    def start(self, name: str, argv: Sequence[str], environment: Mapping[str, str]) -> Started:
        """Start a process in a session of its own, so that Ctrl-C reaches nobody but us. Its output goes to its log."""
        with self.log(name).open("ab") as log:
            child = subprocess.Popen(
                list(argv),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started = Started(name, child.pid, psutil.Process(child.pid).create_time())
        self._children[child.pid] = child
        self._commands[name] = argv, environment
        self._started.append(started)
        self._write()
        return started

    def start_again(self, name: str, environment: Mapping[str, str] | None = None) -> Started:
        """Start a process as it was started before: what whoever keeps it running would do after its death.

        With another *environment* where one is given.
        """
        argv, before = self._commands[name]
        return self.start(name, argv, before if environment is None else environment)

    def named(self, pid: int) -> str | None:
        """The name of the process that leads the session of *pid*; none where it is not ours, or has ended."""
        with suppress(ProcessLookupError):
            session = os.getsid(pid)
            return next((started.name for started in self._started if started.pid == session), None)
        return None

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def pid(self, name: str) -> int:
        """Of the process that was started under that name last. Raises IndexError where there is none."""
        return [started.pid for started in self._started if started.name == name][-1]

    def check(self) -> None:
        """Raises :class:`ProcessFailed` for a process that has ended by itself."""
        for started in self._started:
            self._reap(started)
            if not started.alive():
                raise ProcessFailed(f"{started.name} ended by itself\n{self.tail(started.name)}")

    def tail(self, name: str, lines: int = 12) -> str:
        """The end of a process's log."""
        try:
            text = self.log(name).read_text(errors="replace")
        except OSError:
            return f"(no log at {self.log(name)})"
        return "\n".join(text.splitlines()[-lines:])

    def stop(self, started: Started) -> None:
        """SIGTERM, then SIGKILL to its whole session."""
        end([started], STOP_SECONDS)
        self._reap(started)
        self._started.remove(started)
        self._write()

    def stop_named(self, name: str) -> None:
        """:meth:`stop` for the process of that name, if there is one."""
        for started in [started for started in self._started if started.name == name]:
            self.stop(started)

    def kill_named(self, name: str) -> None:
        """SIGKILL to the whole session of the process of that name: what a crash of the machine's part would do."""
        for started in [started for started in self._started if started.name == name]:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            self.stop(started)

    def stop_all(self) -> None:
        """The last one first. Safe to call again."""
        while self._started:
            self.stop(self._started[-1])

    def _reap(self, started: Started) -> None:
        if child := self._children.get(started.pid):
            child.poll()

    def _write(self) -> None:
        rows = [{"name": s.name, "pid": s.pid, "created": s.created} for s in self._started]
        partial = self._list.with_suffix(".partial")
        partial.write_text(json.dumps(rows))
        partial.replace(self._list)


def sweep(folder: Path) -> list[str]:
    """End whatever an earlier run in *folder* has left behind. Returns the names."""
    listed = folder / "processes.json"
    if not listed.exists():
        return []
    left = [Started(**row) for row in json.loads(listed.read_text())]
    left = [started for started in left if started.alive()]
    end(left[::-1], 2.0)
    listed.unlink()
    return [started.name for started in left]


def end(processes: Sequence[Started], patience: float) -> None:
    """SIGTERM to each, SIGKILL to the sessions of those that are still there after *patience* seconds."""
    for started in processes:
        if started.alive():
            with suppress(ProcessLookupError):
                os.kill(started.pid, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and any(_running(started) for started in processes):
        time.sleep(0.02)
    for started in processes:
        if _running(started):
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)


def _running(started: Started) -> bool:
    """A child counts until it can be reaped: its first thread may have ended, and the others still hold its ports."""
    try:
        reaped, _status = os.waitpid(started.pid, os.WNOHANG)
    except ChildProcessError:  # reaped before, or an earlier run's
        return started.alive()
    return reaped == 0
