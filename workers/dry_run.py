"""What incidents would do for these alerts, found out without doing anything: the world is only read.

The same code decides as in an incident: the gateway's adapter and its placing of alerts, its choice of level and
policy, the assessment's engines, and the planner. Nothing is written to store, Temporal, mesh or platform. Temporal
need not be there; without a store the plan is made as an incident would make it, with nothing remembered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from activities.analytics.store import Store
from activities.analytics.store.deliveries import StoredAlert
from activities.breaker.activities import describe
from activities.catalogs import Catalogs
from activities.directory import Directory
from activities.driver import Refused, Unavailable
from activities.predictor import projection as predictor
from activities.propagation import engine as propagation
from activities.rollback.plan import make_plan
from activities.rollback.situation import concerned, situation
from activities.rollback.state import read_state
from activities.rollback.survey import look, recollections
from models.alert import Alert, AlertState, AlertStatus, Severity
from models.assessment import Assessment
from models.base import Frozen, SternwayError
from models.catalog import Catalog, Level
from models.catalog_file import LoadedCatalog
from models.incident import IncidentStart
from models.plan import Plan
from models.recollection import Recollection
from models.said import Said
from models.scope import Scope
from models.service_state import ServiceState
from models.survey import Survey
from workers.gateway.opening import correlation, opening
from workers.gateway.placing import misplaced

INCIDENT = "dry-run"
"""In the place of an incident's id. A plan's hash covers it, so that nobody can approve a dry run's plan."""


class Unrouted(Frozen):
    """An alert for which no incident would begin."""

    alert: str
    reason: str


class Forecast(Frozen):
    """What one incident would do."""

    workflow: str
    """Its workflow id: alerts that agree in it are one incident."""
    service: str
    region: str
    severity: Severity
    level: Level
    alerts: tuple[str, ...]
    protection: str | None
    """What would be done first, before the plan; none where nothing is approved or the level forbids it."""
    lease: float
    """Seconds after which that lapses unless it is renewed."""
    assessment: Assessment
    plan: Plan
    approval: bool
    """Whether a person must approve the plan before anything of it runs."""
    state: ServiceState
    """What the plan was made for."""

    @property
    def remembered(self) -> bool:
        """Whether the store has told what it remembers of the service."""
        survey = self.assessment.survey
        return survey is not None and self.service in survey.recollections

    def as_json(self) -> dict[str, Any]:
        """With the plan's hash and the state's digest, which are worked out and not kept."""
        document = self.model_dump(mode="json")
        document["plan"]["hash"] = self.plan.hash
        document["state"]["fingerprint"] = self.state.fingerprint()
        return document


class DryRun(Frozen):
    incidents: tuple[Forecast, ...]
    unrouted: tuple[Unrouted, ...]


def supposed(service: str, region: str | None, catalog: Catalog) -> list[Alert]:
    """Alerts as if the service were in trouble now, in this region or in every one that it lives in."""
    known = catalog.services.get(service)
    regions = [region] if region else known.regions if known else [""]
    return [
        Alert(
            source="sternway plan",
            fingerprint=service,
            status=AlertStatus.FIRING,
            severity=Severity.CRITICAL,
            service=service,
            region=name,
            group=service,
            name="supposed to be in trouble now",
            starts_at=datetime.now(UTC),
        )
        for name in regions
    ]


async def dry_run(alerts: Sequence[Alert], loaded: LoadedCatalog, store: Store | None) -> DryRun:
    """What the gateway and its incidents would make of these alerts.

    Raises :class:`~models.base.SternwayError` for alerts that would begin nothing, and where mesh or platform do not
    answer.
    """
    firing = [alert for alert in alerts if alert.status is AlertStatus.FIRING]
    if not firing:
        raise SternwayError("every alert of the message is resolved: no incident would begin")
    unrouted = [
        Unrouted(alert=alert.name, reason=reason)
        for alert in firing
        if (reason := misplaced(alert.service, alert.region, loaded.catalog))
    ]
    groups: dict[str, list[Alert]] = {}
    for alert in firing:
        if not misplaced(alert.service, alert.region, loaded.catalog):
            groups.setdefault(correlation(alert, loaded.catalog), []).append(alert)
    if not groups:
        raise SternwayError(f"no incident would begin: {'; '.join(dict.fromkeys(one.reason for one in unrouted))}")
    directory = Directory(Catalogs(loaded, lambda _digest: None), protect="", operate="")
    forecasts = [_forecast(directory, loaded, store, key, group) for key, group in groups.items()]
    return DryRun(incidents=tuple(await asyncio.gather(*forecasts)), unrouted=tuple(unrouted))


async def _forecast(
    directory: Directory, loaded: LoadedCatalog, store: Store | None, key: str, alerts: Sequence[Alert]
) -> Forecast:
    start = opening(INCIDENT, [_as_stored(number, alert) for number, alert in enumerate(alerts)], loaded)
    scope = Scope(incident=INCIDENT, region=start.region, service=start.service, catalog=start.catalog)
    catalog = loaded.catalog
    services = concerned(catalog, scope.region, scope.service)
    states = await asyncio.gather(*(_state(directory, catalog, scope.at(name)) for name in services))
    memory = await recollections(store, services, scope.region) if store else {}
    assessment = await _assess(directory, catalog, start, scope, services, memory)
    protection = start.policy.protect if start.level is not Level.ADVISE else None
    now = datetime.now(UTC)
    found = situation(start.service, states, assessment, Said(began_at=now), now)
    plan = make_plan(INCIDENT, catalog, found, protected=protection is not None)
    return Forecast(
        workflow=key,
        service=start.service,
        region=start.region,
        severity=start.severity,
        level=start.level,
        alerts=tuple(alert.name for alert in alerts),
        protection=describe(protection, start.service) if protection else None,
        lease=start.policy.lease,
        assessment=assessment,
        plan=plan,
        approval=start.needs_approval,
        state=states[0],
    )


async def _state(directory: Directory, catalog: Catalog, scope: Scope) -> ServiceState:
    """Raises :class:`~models.base.SternwayError` with the place in the catalog and the cure."""
    try:
        return await read_state(directory, scope)
    except (Refused, Unavailable) as error:
        mesh, platform = (catalog.driver(of, scope.region, scope.service) for of in ("mesh", "platform"))
        where = (
            f"{error}. For {scope.service} in {scope.region} the catalog has the mesh {mesh.kind} at {mesh.url} and "
            f"the platform {platform.kind} at {platform.url}"
        )
        if isinstance(error, Refused):
            raise SternwayError(where) from error
        ours = [f"`sternway mesh --region {scope.region}`"] if mesh.kind == "envoy" else []
        ours += ["`sternway agent`"] if platform.kind == "local" else []
        start = f", or start what is not running ({', '.join(ours)})" if ours else ""
        raise SternwayError(f"{where}: correct the url there{start}") from error


async def _assess(
    directory: Directory,
    catalog: Catalog,
    start: IncidentStart,
    scope: Scope,
    services: Sequence[str],
    memory: dict[str, Recollection],
) -> Assessment:
    """The service, its dependants and what may have to go back with it, looked at for the same moment."""
    dependants = propagation.dependants(catalog, scope.region, scope.service)
    observed, theirs = await asyncio.gather(
        asyncio.gather(*(look(directory, catalog, scope.at(name)) for name in services)),
        asyncio.gather(*(look(directory, catalog, scope.at(name)) for name in dependants)),
    )
    own, windows = observed[0], {name: one.window for name, one in zip(dependants, theirs, strict=True)}
    return Assessment(
        observation=own,
        spread=propagation.spread(catalog, scope.region, scope.service, windows),
        projection=predictor.project(catalog, scope.service, [own.window], start.impact),
        survey=Survey(observations=dict(zip(services[1:], observed[1:], strict=True)), recollections=memory),
    )


def _as_stored(number: int, alert: Alert) -> StoredAlert:
    """As if it were stored."""
    return StoredAlert(
        id=number,
        delivery_id=0,
        received_at=datetime.now(UTC),
        alert=alert,
        state=AlertState.PENDING,
        incident=None,
        reason="",
    )
