"""What the watcher says about itself: how long it has been blind, and what users' requests came to."""

from __future__ import annotations

from prometheus_client import Gauge

from models.catalog import Slos
from models.telemetry import Count
from workers.observability.metrics import REGISTRY, SLO_EVENTS
from workers.watch.burn import Slo, budgets

TELEMETRY_MISSING = Gauge(
    "sternway_telemetry_missing_seconds",
    "Time since the last reading of a service's telemetry; 0 while there are readings.",
    ["region", "service"],
    registry=REGISTRY,
)


def count(seen: Count, slos: Slos) -> None:
    """Add what users saw to the events of each objective."""
    for slo, _ in budgets(slos):
        bad = min(seen.requests, seen.errors if slo is Slo.AVAILABILITY else seen.slow)
        SLO_EVENTS.labels(slo, "bad").inc(bad)
        SLO_EVENTS.labels(slo, "good").inc(seen.requests - bad)
