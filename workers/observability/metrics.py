"""Those of the eight core metrics that have a meaning today. None is labelled by incident.

Each process counts what it does itself, so sums over processes are true. Drift, revenue at risk and customers affected
follow with the parts that know them: a metric that is always zero would be read as good news.
"""

from __future__ import annotations

import errno

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from models.base import SternwayError

REGISTRY = CollectorRegistry(auto_describe=True)

PORTS = 8
"""How many processes of one machine may share a setting."""

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

PREDICTIONS = Counter(
    "sternway_predictions_total",
    "What was said of services, interval by interval, and what became of alarms.",
    ["region", "result"],
    registry=REGISTRY,
)


def serve(port: int) -> int:
    """Serve this process's metrics on 127.0.0.1, from a thread of their own; the port.

    It is the first free one from *port* on: the processes of a pool are given the same settings, and each has metrics
    of its own. Raises :class:`~models.base.SternwayError` where all are taken.
    """
    for candidate in range(port, port + PORTS):
        try:
            start_http_server(candidate, addr="127.0.0.1", registry=REGISTRY)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        return candidate
    raise SternwayError(
        f"the ports {port} to {port + PORTS - 1} of 127.0.0.1 are taken: no metrics can be served; "
        "set STERNWAY_METRICS_PORT to where there is room"
    )
