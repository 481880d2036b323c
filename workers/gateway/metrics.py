"""What the gateway counts of its own work, beside the core metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram

from activities.analytics.store.deliveries import Counts
from activities.analytics.store.incidents import IncidentInBrief
from models.alert import Severity
from models.incident import Phase
from workers.observability.metrics import INCIDENTS_ACTIVE, REGISTRY

DELIVERIES = Counter(
    "sternway_gateway_deliveries_total",
    "Requests that carried alerts, a report or a deployment.",
    ["source", "result"],
    registry=REGISTRY,
)
DURATION = Histogram(
    "sternway_gateway_webhook_duration_seconds",
    "From a webhook's last byte to its answer; the durable commit is inside.",
    ["source"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
    registry=REGISTRY,
)
HANDED_OVER = Counter(
    "sternway_gateway_alerts_handed_over_total", "Alerts by what became of them.", ["result"], registry=REGISTRY
)
HANDOVER = Histogram(
    "sternway_gateway_handover_seconds",
    "From an alert's receipt until an incident has it.",
    ["severity"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
    registry=REGISTRY,
)
GUARD_TRANSITIONS = Counter(
    "sternway_guard_transitions_total",
    "How breakers inside applications have changed their state.",
    ["target", "state"],
    registry=REGISTRY,
)
ALERTS = Gauge(
    "sternway_gateway_alerts", "Stored alerts that no incident has.", ["state", "severity"], registry=REGISTRY
)
QUARANTINED = Gauge("sternway_gateway_quarantined_deliveries", "Deliveries that could not be read.", registry=REGISTRY)
OLDEST_PENDING = Gauge(
    "sternway_gateway_oldest_pending_seconds",
    "Age of the oldest alert that waits for an incident.",
    ["severity"],
    registry=REGISTRY,
)

ORPHANED = Gauge(
    "sternway_orphaned_incidents", "Incidents that are open and whose workflow is gone.", registry=REGISTRY
)


def show(counts: Counts | None, now: datetime) -> None:
    """Set the gauges to what the store says; to not-a-number where it cannot be asked: unknown is never zero."""
    for severity in Severity:
        ALERTS.labels("pending", severity).set(counts.pending[severity].alerts if counts else math.nan)
        ALERTS.labels("unrouted", severity).set(counts.unrouted[severity] if counts else math.nan)
        age = counts.pending[severity].age(now).total_seconds() if counts else math.nan
        OLDEST_PENDING.labels(severity).set(age)
    QUARANTINED.set(counts.quarantined if counts else math.nan)


def show_incidents(open_ones: Sequence[IncidentInBrief] | None) -> None:
    """Count the open incidents. Where the store cannot be asked the series are absent, or not a number."""
    INCIDENTS_ACTIVE.clear()
    for incident in open_ones or ():
        INCIDENTS_ACTIVE.labels(incident.severity, incident.phase).inc()
    orphaned = None if open_ones is None else sum(incident.phase is Phase.ORPHANED for incident in open_ones)
    ORPHANED.set(math.nan if orphaned is None else orphaned)
