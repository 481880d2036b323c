"""``sternway plan``: what an incident would do about an alert, or a trouble that is supposed, without doing it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.base import SternwayError

if TYPE_CHECKING:
    from activities.analytics.store import Store
    from models.alert import Alert
    from models.catalog import Catalog
    from models.service_state import ServiceState
    from workers.dry_run import Forecast

SOURCE = "alertmanager"


def plan(
    alert: Annotated[
        Path | None, typer.Option(help="The webhook's JSON as Alertmanager sends it (version 4); - reads it.")
    ] = None,
    service: Annotated[
        str | None, typer.Option(help="Instead of an alert: a service, as if it were in trouble now.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Where the service is in trouble. Default: every region that it lives in.")
    ] = None,
    catalog: Annotated[Path | None, typer.Option(help="The catalog file. Default: STERNWAY_CATALOG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")] = False,
) -> None:
    """Show what incidents would do about these alerts, or about a service in trouble: a dry run that changes nothing.

    Mesh, platform and telemetry are read as they are now, with no token of ours; a mesh or platform that does not
    answer ends the command with status 2. What is remembered of releases is read from the store; without an answer of
    the store the plan is made all the same, and the last lines say so. Temporal is not needed. A plan that could not be
    made without a person says why.

    Example: [bold]sternway plan --service payments --region eu[/bold]

    Example: [bold]sternway plan --alert alert.json[/bold]
    """
    import asyncio

    from activities.analytics.store import open_store_if_there
    from models.settings import Settings
    from workers.catalog import load_catalog
    from workers.dry_run import dry_run, supposed

    settings = Settings()
    loaded = load_catalog(catalog or settings.catalog)
    if service and not alert:
        alerts = supposed(service, region, loaded.catalog)
    elif alert and not (service or region):
        alerts = _told(alert, loaded.catalog)
    else:
        raise SternwayError("give one thing to plan for: --service NAME (and --region), or --alert FILE")
    store = open_store_if_there(settings.store_url)
    try:
        found = asyncio.run(dry_run(alerts, loaded, store))
    finally:
        if store:
            store.close()
    unrouted = [one.model_dump(mode="json") for one in found.unrouted]
    if as_json:
        print(json.dumps({"incidents": [one.as_json() for one in found.incidents], "unrouted": unrouted}))
        return
    for forecast in found.incidents:
        print("\n".join(_lines(forecast)), end="\n\n")
    for one in found.unrouted:
        print(f"no incident for {one.alert}: {one.reason}")
    if unheard := [one for one in found.incidents if not one.remembered]:
        print(_unheard(unheard, store, settings.store_url))
    print("Nothing was changed.")


def _unheard(forecasts: Sequence[Forecast], store: Store | None, url: str) -> str:
    places = ", ".join(f"{one.service} in {one.region}" for one in forecasts)
    why = f"{store.name} did not tell; see `sternway store status`" if store else f"there is none at {url}"
    return f"Store: {why}. What it remembers of {places} is missing here; STERNWAY_STORE_URL names the store."


def _told(file: Path, catalog: Catalog) -> list[Alert]:
    """The alerts of the message, placed as the gateway would. Raises ``SternwayError``."""
    from workers.gateway.placing import place
    from workers.gateway.sources import SOURCES
    from workers.gateway.sources.source import Unreadable

    try:
        signals = SOURCES[SOURCE](_read(file))
    except Unreadable as error:
        where = "standard input" if str(file) == "-" else file
        raise SternwayError(f"no alert can be read from {where}: {error}") from error
    return [place(SOURCE, signal, catalog) for signal in signals]


def _read(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise SternwayError(f"the alert cannot be read from {file}: {error.strerror}; give its path, or -") from error


def _lines(forecast: Forecast) -> Iterator[str]:
    from activities.rollback.preview import in_shares

    alerts = ", ".join(dict.fromkeys(forecast.alerts))
    yield f"{forecast.service} in {forecast.region}, {forecast.severity}, level {forecast.level}: {alerts}"
    if forecast.protection:
        yield f"  first: {forecast.protection}, for {forecast.lease:g} s at a time"
    else:
        yield "  first: no protection"
    yield from _assessment(forecast)
    yield from _plan(forecast)
    state = forecast.state
    yield f"  read: routed {in_shares(state.weights)} (generation {state.mesh_generation})"
    yield f"        replicas {_replicas(state)} (generation {state.platform_generation})"
    yield f"  state {state.fingerprint()}"
    yield f"  dry run {forecast.plan.hash} (not to be approved: an incident's plan has a hash of its own)"


def _replicas(state: ServiceState) -> str:
    releases = state.replicas.items()
    return ", ".join(f"{name}: {wanted}, {state.ready.get(name, 0)} ready" for name, wanted in releases) or "none"


def _assessment(forecast: Forecast) -> Iterator[str]:
    assessment = forecast.assessment
    if assessment.observation:
        for arm, verdict in assessment.observation.verdicts.items():
            yield f"  {arm}: {verdict.finding}: {verdict.sentence}"
    if assessment.projection:
        yield f"  if nothing is done: {assessment.projection.sentence}"
    if assessment.spread:
        yield f"  who depends on it: {assessment.spread.sentence}"


def _plan(forecast: Forecast) -> Iterator[str]:
    from models.catalog import Level

    plan = forecast.plan
    if plan.hold:
        yield f"  a person would be needed: {plan.hold}"
    elif forecast.level is Level.ADVISE:
        yield "  the incident ends with this plan: level advise runs nothing"
    elif forecast.approval:
        yield "  waits for a person's approval before anything runs"
    for line in plan.preview:
        yield f"  {line}"
    for rejected in plan.rejected:
        yield f"  not by rule {rejected.rule}: {rejected.reason}"
