"""What every sender's adapter makes of a body: signals, not yet placed in the catalog."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from models.alert import AlertStatus
from models.base import Frozen, SternwayError, Time


class Unreadable(SternwayError):
    """The body is not what this sender sends. It is kept in quarantine, with this as the reason."""


class Signal(Frozen):
    """One alert as its sender tells it."""

    fingerprint: str
    status: AlertStatus
    group: str
    """Receiver and group key, or the fingerprint where the sender does not group."""
    name: str
    summary: str
    starts_at: Time
    labels: dict[str, str]


Read: TypeAlias = Callable[[bytes], tuple[Signal, ...]]
"""Reads one body; raises :class:`Unreadable`. Called in a thread: it may take its time, but must not do any I/O."""
