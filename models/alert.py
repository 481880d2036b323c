"""Alerts: the normalised signal, and the delivery that carried it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from models.base import Frozen, Time


class AlertStatus(StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"


class Severity(StrEnum):
    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


BY_URGENCY = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)


def most_urgent(severities: Iterable[Severity]) -> Severity:
    """Raises ``ValueError`` where there are none."""
    return min(severities, key=BY_URGENCY.index)


class Alert(Frozen):
    """One normalised signal about one service in one region."""

    source: str
    """The configured sender that it came from, for example ``alertmanager``."""
    fingerprint: str
    """The sender's identity of the alert, stable while it fires."""
    status: AlertStatus
    severity: Severity
    service: str
    region: str
    group: str
    """The sender's grouping: source, receiver and group key. It tells deliveries apart, and not incidents."""
    name: str
    summary: str = ""
    starts_at: Time
    labels: dict[str, str] = {}


class AlertReference(Frozen):
    """What a workflow keeps of an alert: enough to tell it from others, and where the rest is stored."""

    id: int
    """Row of the ``alerts`` table."""
    fingerprint: str
    status: AlertStatus
    severity: Severity
    starts_at: Time
    received_at: Time
    name: str = ""
    summary: str = ""

    @property
    def identity(self) -> tuple[str, AlertStatus, datetime]:
        """By which an incident tells alerts apart: a repeated delivery has rows of its own."""
        return self.fingerprint, self.status, self.starts_at


class AlertState(StrEnum):
    """What became of a stored alert."""

    PENDING = "pending"
    """Durable, and no incident has it yet."""
    STARTED = "started"
    """An incident was started for it, or has taken it."""
    UNROUTED = "unrouted"
    """The catalog does not know its service or region."""
    IGNORED = "ignored"
    """Read and set aside on purpose; the reason says why."""
