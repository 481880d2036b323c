"""What every sender's adapter makes of a body: signals, not yet placed in the catalog."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pydantic import ValidationError

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


def first_complaint(error: ValidationError) -> str:
    """The first complaint, without the value: a body may hold what no log should."""
    complaint = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in complaint["loc"])
    said = "it must be a JSON object" if complaint["type"] == "model_type" else complaint["msg"]
    return f"{place}: {said}" if place else said
