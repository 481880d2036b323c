"""A disk that is full for one process, and has room again."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def full(pid: int) -> Iterator[None]:
    """While it is entered, whatever the process writes to any file fails, its log included."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it may have ended in the meantime
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
