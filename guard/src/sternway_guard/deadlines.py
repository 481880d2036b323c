"""By when a call must have ended, carried with it: through a process in a context, between processes in a header.

The header is Envoy's own, ``x-envoy-expected-rq-timeout-ms``: the milliseconds that are left. It needs no clocks that
agree, and a mesh of Envoys sets it already. Who has an earlier deadline keeps it.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from sternway_guard.errors import DeadlinePassed
from sternway_guard.settings import check

HEADER = "x-envoy-expected-rq-timeout-ms"

_deadline: ContextVar[float | None] = ContextVar("sternway_guard_deadline", default=None)
ends = _deadline.get
"""When the deadline is, by the monotonic clock; None where there is none."""


@contextmanager
def deadline(seconds: float) -> Generator[None]:
    """Everything within has so many seconds, or what is left of an earlier deadline if that is less."""
    check("seconds", seconds, 0)
    outer, wanted = ends(), time.monotonic() + seconds
    token = _deadline.set(wanted if outer is None else min(outer, wanted))
    try:
        yield
    finally:
        _deadline.reset(token)


def left() -> float | None:
    """Seconds until the deadline, negative where it has passed; None where there is none."""
    until = ends()
    return None if until is None else until - time.monotonic()


def require(target: object) -> None:
    """Raises :class:`DeadlinePassed` where nobody waits for an answer any more."""
    seconds = left()
    if seconds is not None and seconds <= 0:
        raise DeadlinePassed(target, "the deadline has passed, so nobody waits for the answer")


def to_header(seconds: float) -> str:
    return str(max(0, int(seconds * 1000)))


def from_header(text: str) -> float | None:
    """Seconds. What is no number is no deadline: whoever sent it has said nothing that can be kept."""
    return int(text) / 1000 if text.isascii() and text.isdigit() and len(text) < 10 else None
