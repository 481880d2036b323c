"""``sternway breakers``: what is wanted of the breakers before a service, and a person's override of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from models.base import SternwayError
from workers.cli.table import ago, show_parts, table_of
from workers.cli.word import By, Why

if TYPE_CHECKING:
    from activities.analytics.store import Store
    from activities.breaker.driver import Protector
    from models.catalog_file import LoadedCatalog
    from models.intent import IntentRequest
    from models.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="See what is wanted of the breakers before services, at proxies and in applications, and override it.",
)

LONGEST = 60
"""Minutes that an override holds."""

MODES = ("on", "shadow", "forced-open", "off")

Service = Annotated[str, typer.Argument(help="The service that is called.")]
Region = Annotated[str, typer.Argument(help="The region.")]
Url = Annotated[str | None, typer.Option("--url", help="The store, if it is not the one of the settings.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


@app.command("list")
def list_breakers(
    region: Annotated[str | None, typer.Option(help="Only this region's.")] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """List what is wanted of breakers now: what incidents have tripped, and what people have set.

    The first protective action of an incident is not among them; `sternway incidents show` has it.

    Example: [bold]sternway breakers list[/bold]
    """
    from datetime import UTC, datetime

    from activities.analytics.store import intents, open_store
    from models.settings import Settings
    from workers.overrides import asked_for

    settings, now = Settings(), datetime.now(UTC)
    known = list(_catalog(settings).catalog.regions)
    if region and region not in known:
        raise SternwayError(f"the catalog has no region {region}; it has {', '.join(known)}")
    store = open_store(url or settings.store_url)
    try:
        regions = [region] if region else known
        found = [one for name in regions for one in intents.holding(store, name) if one.expires_at > now]
    finally:
        store.close()
    if as_json:
        print(json.dumps([one.model_dump(mode="json") for one in found]))
        return
    table = table_of("service", "region", "tier", "wanted", "since", "ends", "owner", "because")
    for one in found:
        ends = f"{one.expires_at:%H:%M:%S} UTC"
        table.add_row(one.target, one.region, one.tier, asked_for(one), ago(one.since), ends, one.owner, one.because)
    show_parts(table if found else "no breakers are tripped or overridden")


@app.command("set")
def set_breakers(
    service: Service,
    region: Region,
    by: By,
    reason: Why,
    mode: Annotated[str | None, typer.Option(help=f"Of the guards of callers: {', '.join(MODES)}.")] = None,
    retries: Annotated[int | None, typer.Option(help="Percent that may be retries.", min=0, max=100)] = None,
    max_requests: Annotated[
        int | None, typer.Option(help="In flight from each proxy to each release.", min=1, max=1_000_000)
    ] = None,
    least_value: Annotated[
        float | None,
        typer.Option(help="What earns less, guards turn away; in the applications' own unit.", min=0, max=1e12),
    ] = None,
    minutes: Annotated[int, typer.Option(help="How long it holds.", min=1, max=LONGEST)] = 30,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Override the breakers before a service, for a while. It stands above all that Sternway decides.

    What you leave out is as configured. What was tripped or set before ends, and what has tripped once in an incident
    does not trip in it again. A limit or a share of retries is in the place of that of an incident's first protective
    action as well.

    Needs STERNWAY_PROTECT_TOKEN, as proxies are told as well, and the store. Recorded in the incidents of the service
    that are open.

    Examples:
      [bold]sternway breakers set payments eu --mode off --reason "a false alarm"[/bold]
      [bold]sternway breakers set payments eu --retries 0 --max-requests 40 --reason "the database is slow"[/bold]
    """
    import asyncio
    from datetime import UTC, datetime, timedelta

    from models.intent import IntentRequest, Tier

    said = {"mode": mode, "retries": retries, "max_requests": max_requests, "least_value": least_value}
    if mode is not None and mode not in MODES:
        meant = "; did you mean forced-open?" if mode in ("open", "force-open") else ""
        raise SternwayError(f"--mode is {mode!r}; it is one of {', '.join(MODES)}{meant}")
    if not any(value is not None for value in said.values()):
        raise SternwayError("say what they are to do: --mode, --retries, --max-requests or --least-value")
    word = IntentRequest.model_validate(
        {
            **said,
            "retries": None if retries is None else retries / 100,
            "id": _new_id(),
            "owner": by,
            "tier": Tier.PERSON,
            "region": region,
            "target": service,
            "because": reason,
            "seconds": 60 * minutes,
        }
    )
    pending = asyncio.run(_say(word, url))
    if as_json:
        print(json.dumps({"service": service, "region": region, "minutes": minutes, "pending": list(pending)}))
        return
    missing = f"; not acknowledged by {', '.join(pending)}" if pending else ""
    until = datetime.now(UTC) + timedelta(minutes=minutes)
    print(f"the breakers of {service} in {region} are overridden until {until:%H:%M} UTC{missing}")


@app.command()
def lift(service: Service, region: Region, by: By, reason: Why, url: Url = None, as_json: Json = False) -> None:
    """End an override before its time. Incidents that begin from now on trip breakers again.

    Example: [bold]sternway breakers lift payments eu --reason "the database is well again"[/bold]
    """
    import asyncio

    words = asyncio.run(_lift(service, region, by, reason, url))
    if not words:
        raise SternwayError(f"nobody overrides the breakers of {service} in {region}; see `sternway breakers list`")
    if as_json:
        print(json.dumps({"service": service, "region": region, "lifted": words}))
    else:
        print(f"the breakers of {service} in {region} are not overridden any more")


def _new_id() -> str:
    from ulid import ULID

    return f"override-{ULID()}"


async def _say(word: IntentRequest, url: str | None) -> tuple[str, ...]:
    from models.settings import Settings
    from workers.overrides import Overrides

    settings = Settings()
    store, protector = await _reach(settings, word.target, word.region, url)
    try:
        return await Overrides(store, protector).say(word)
    finally:
        store.close()


async def _lift(service: str, region: str, by: str, reason: str, url: str | None) -> int:
    from models.settings import Settings
    from workers.overrides import Overrides

    store, protector = await _reach(Settings(), service, region, url)
    try:
        return await Overrides(store, protector).lift(region, service, by, reason)
    finally:
        store.close()


async def _reach(settings: Settings, service: str, region: str, url: str | None) -> tuple[Store, Protector]:
    """Raises :class:`~models.base.SternwayError` where the catalog has no such service, or the token is missing."""
    from activities.analytics.store import open_store
    from activities.catalogs import Catalogs
    from activities.directory import Directory
    from models.scope import Scope

    loaded = _catalog(settings)
    known = loaded.catalog.services.get(service)
    if known is None or region not in known.regions:
        where = f"runs in {', '.join(known.regions)}" if known else "is not in the catalog"
        raise SternwayError(f"{service} {where}; name a service and a region that the catalog has")
    if settings.protect_token is None:
        raise SternwayError("proxies are told as well; set STERNWAY_PROTECT_TOKEN to that of the control planes")
    token = settings.protect_token.get_secret_value()
    directory = Directory(Catalogs(loaded, lambda _digest: None), protect=token, operate="")
    scope = Scope(incident="", region=region, service=service, catalog=loaded.digest)
    return open_store(url or settings.store_url), await directory.protector(scope)


def _catalog(settings: Settings) -> LoadedCatalog:
    from workers.catalog import load_catalog

    return load_catalog(settings.catalog)
