"""Where in the catalog an alert belongs: its service, region and severity, or the reason why it has no place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from models.alert import Alert, Severity
from models.catalog import Catalog
from workers.gateway.sources.source import Signal

SERVICE_LABELS = ("service", "service_name", "app")
REGION_LABELS = ("region", "cluster_region")
SEVERITY_LABELS = ("severity", "priority")
"""The labels that are looked at, in this order. This is the one place where they are named."""

CORRECT_LABELS = (
    f"(correct the alert's label {' or '.join(SERVICE_LABELS)}, its label {' or '.join(REGION_LABELS)}, or the catalog)"
)
CORRECT_BODY = '(correct "service" and "region" in the body, or the catalog)'
"""What to do about what is misplaced: an alert, and what an application or a pipeline has said."""

SEVERITIES = {
    **dict.fromkeys(("critical", "page", "fatal", "emergency", "error", "high", "p1"), Severity.CRITICAL),
    **dict.fromkeys(("warning", "warn", "medium", "ticket", "p2", "p3"), Severity.WARNING),
    **dict.fromkeys(("info", "information", "notice", "low", "none", "p4", "p5"), Severity.INFO),
}


def place(source: str, signal: Signal, catalog: Catalog) -> Alert:
    """The signal as an alert. Whether its service and region exist is :func:`misplaced`'s question."""
    service = _first(signal, SERVICE_LABELS)
    return Alert(
        source=source,
        fingerprint=signal.fingerprint,
        status=signal.status,
        severity=SEVERITIES.get(_first(signal, SEVERITY_LABELS).lower(), Severity.WARNING),
        service=service,
        region=only_region(service, _first(signal, REGION_LABELS), catalog),
        group=f"{source}:{signal.group}",
        name=signal.name,
        summary=signal.summary,
        starts_at=signal.starts_at,
        labels=dict(signal.labels),
    )


def only_region(service: str, region: str, catalog: Catalog) -> str:
    """*region*, or where it is missing the one in which the service lives, if that is exactly one."""
    known = catalog.services.get(service)
    return known.regions[0] if known and not region and len(known.regions) == 1 else region


def has_place(service: str, region: str, catalog: Catalog) -> bool:
    """Whether an incident can be about this service in this region."""
    known = catalog.services.get(service)
    return known is not None and region in known.regions


def misplaced(service: str, region: str, catalog: Catalog) -> str | None:
    """Why no incident can be about this service in this region; none where one can.

    The fact alone: the cure is the caller's, who knows where the names came from.
    """
    if not service:
        return "nothing names the service"
    if service not in catalog.services:
        return f'the catalog has no service "{service}"{_nearest(service, catalog.services)}'
    regions = catalog.services[service].regions
    if not region:
        return f'"{service}" lives in {", ".join(regions)}, and nothing says in which of them this is'
    if region not in regions:
        return f'"{service}" does not live in "{region}", only in {", ".join(regions)}'
    return None


def _first(signal: Signal, names: tuple[str, ...]) -> str:
    return next((signal.labels[name] for name in names if signal.labels.get(name)), "")


def _nearest(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""
