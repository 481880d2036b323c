"""Which incident an alert belongs to and what that begins with: decided from alerts and catalog, by pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from activities.analytics.store.deliveries import StoredAlert
from models.alert import Alert, AlertReference, AlertStatus, most_urgent
from models.catalog import Catalog, Level, OnPoolLoss
from models.catalog_file import LoadedCatalog
from models.identity import correlation_key
from models.incident import Impact, IncidentStart
from models.report import IncidentReport

API = "api"
"""The source of what applications report; no sender of alerts has this name."""

REPORT = "sternway_report"
"""The label under which an application's alert carries what it asked for, as JSON."""

LONGEST_SUMMARY = 200
"""Characters of a reference's summary: a start of 250 alerts stays far below the 512 KiB that Temporal warns of."""

BY_POWER = (Level.ADVISE, Level.PROTECT, Level.FULL)


def allowed(asked: Level | None, policy: Level) -> Level:
    """The level that an incident gets: what was asked for, but never above the policy's."""
    return min(asked or policy, policy, key=BY_POWER.index)


def report_of(alert: Alert) -> IncidentReport | None:
    """What an application asked for; none for an alert of any other source."""
    asked = alert.labels.get(REPORT) if alert.source == API else None
    return IncidentReport.model_validate_json(asked) if asked else None


def level_of(alert: Alert, catalog: Catalog) -> Level:
    """The level of the incident that the alert would begin."""
    report = report_of(alert)
    return allowed(report.level if report else None, catalog.policy_of(alert.service).level)


def correlation(alert: Alert, catalog: Catalog) -> str:
    """The workflow id of the incident that has the alert, or is begun by it."""
    return correlation_key(alert.region, alert.service, level_of(alert, catalog))


def opening(incident: str, alerts: Sequence[StoredAlert], pinned: LoadedCatalog) -> IncidentStart:
    """The workflow's argument. *alerts* are of one correlation, oldest first; the first one fires."""
    first = alerts[0]
    report = report_of(first.alert)
    policy = pinned.catalog.policy_of(first.alert.service)
    region = pinned.catalog.regions[first.alert.region]
    start = IncidentStart(
        incident=incident,
        region=first.alert.region,
        service=first.alert.service,
        severity=most_urgent(one.alert.severity for one in alerts if one.alert.status is AlertStatus.FIRING),
        level=level_of(first.alert, pinned.catalog),
        catalog=pinned.digest,
        peers=region.peers if region.on_pool_loss is OnPoolLoss.PEER else (),
        policy=policy,
        alerts=references(alerts),
        received_at=min(stored.received_at for stored in alerts),
        reason=first.alert.name,
    )
    if report is None:
        return start
    impact = report.impact
    stated = Impact(**dict(impact), source="stated") if impact else None
    return start.model_copy(update={"coordination": report.coordination, "modules": report.modules, "impact": stated})


def protects(start: IncidentStart) -> bool:
    """Whether the incident's first step may be to protect the service's callers."""
    return start.policy.protect is not None and start.level is not Level.ADVISE and start.modules.breaker


def references(alerts: Sequence[StoredAlert]) -> tuple[AlertReference, ...]:
    """What the workflow is given of the alerts; the rest stays in the store."""
    return tuple(_shortened(stored.reference()) for stored in alerts)


def _shortened(reference: AlertReference) -> AlertReference:
    if max(len(reference.summary), len(reference.name)) <= LONGEST_SUMMARY:
        return reference
    cut = {"summary": reference.summary[:LONGEST_SUMMARY], "name": reference.name[:LONGEST_SUMMARY]}
    return reference.model_copy(update=cut)
