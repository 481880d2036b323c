"""Prometheus Alertmanager's webhook, version 4.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. Fields that are not read here are ignored,
because newer versions add some. ``truncatedAlerts`` needs no care: an alert that is missing from a message is not taken
for resolved.
"""

from __future__ import annotations

import hashlib
import json

from pydantic import BaseModel, ValidationError

from models.alert import AlertStatus
from models.base import Time
from workers.gateway.sources.source import Signal, Unreadable, first_complaint

LONGEST_SUMMARY = 1000


class _Alert(BaseModel):
    status: AlertStatus
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: Time  # noqa: N815 -- Alertmanager's name
    fingerprint: str = ""
    """Absent before Alertmanager 0.17."""


class _Envelope(BaseModel):
    receiver: str = ""
    groupKey: str = ""  # noqa: N815 -- Alertmanager's name
    alerts: list[object]


def read(body: bytes) -> tuple[Signal, ...]:
    """The signals of one message, in its order.

    Alert by alert, so that a message of ten thousand never holds the interpreter for long at a time.
    """
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"the body is not JSON: {error}") from error
    try:
        envelope = _Envelope.model_validate(document)
    except ValidationError as error:
        raise Unreadable(f"the body is not an Alertmanager message: {first_complaint(error)}") from error
    if not envelope.alerts:
        raise Unreadable("the message carries no alert")
    return tuple(_signal(envelope, position, alert) for position, alert in enumerate(envelope.alerts))


def _signal(envelope: _Envelope, position: int, document: object) -> Signal:
    try:
        alert = _Alert.model_validate(document)
    except ValidationError as error:
        raise Unreadable(f"alerts[{position}] is not an alert: {first_complaint(error)}") from error
    fingerprint = alert.fingerprint or _fingerprint(alert.labels)
    summary = alert.annotations.get("summary") or alert.annotations.get("description") or ""
    return Signal(
        fingerprint=fingerprint,
        status=alert.status,
        group=f"{envelope.receiver}:{envelope.groupKey or fingerprint}",
        name=alert.labels.get("alertname") or "unnamed alert",
        summary=summary[:LONGEST_SUMMARY],
        starts_at=alert.startsAt,
        labels=alert.labels,
    )


def _fingerprint(labels: dict[str, str]) -> str:
    """What stands in for a missing fingerprint: equal label sets have the same, as in Alertmanager itself."""
    return hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()[:16]
