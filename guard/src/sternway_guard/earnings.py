"""What a call earns, carried with it in a context through a process."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

_worth: ContextVar[float | None] = ContextVar("sternway_guard_worth", default=None)
said = _worth.get
"""None where nothing was said of it."""


@contextmanager
def worth(value: float) -> Generator[None]:
    """What the calls within earn, where nothing else is said of them."""
    token = _worth.set(value)
    try:
        yield
    finally:
        _worth.reset(token)
