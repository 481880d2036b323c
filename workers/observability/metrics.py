"""Those of the eight core metrics that have a meaning today. None is labelled by incident.

Each process counts what it does itself, so sums over processes are true. The predictor's two and the two of the
business follow with the parts that know them: a metric that is always zero would be read as good news.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

REGISTRY = CollectorRegistry(auto_describe=True)

INCIDENTS_ACTIVE = Gauge(
    "sternway_incidents_active", "Incidents that have not ended.", ["severity", "phase"], registry=REGISTRY
)
PHASE_DURATION = Histogram(
    "sternway_incident_phase_duration_seconds",
    "Time that incidents spent in a phase.",
    ["phase", "severity"],
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600),
    registry=REGISTRY,
)
ACTIONS = Counter(
    "sternway_actions_total", "Changes to production, and their undoing.", ["action", "outcome"], registry=REGISTRY
)
SLO_EVENTS = Counter(
    "sternway_slo_events_total", "Users' requests as the watcher counted them.", ["slo", "result"], registry=REGISTRY
)


def serve(port: int) -> None:
    """Serve this process's metrics on 127.0.0.1, from a thread of their own."""
    start_http_server(port, addr="127.0.0.1", registry=REGISTRY)
