"""One agent a data folder: two would start every replica twice."""

from __future__ import annotations

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from models.base import SternwayError


@contextmanager
def sole_user(data: Path) -> Generator[None, None, None]:
    """Hold *data* until the end of the block or of the process, however it ends. Replicas do not inherit the hold."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data / "agent.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SternwayError(f"an agent already runs on {data}: stop it first, or name another folder") from None
        yield
