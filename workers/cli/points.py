"""``sternway points``: the places that can be gone back to, from the store itself, with or without a gateway."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.base import SternwayError
from workers.cli.table import ago, show_parts, table_of

if TYPE_CHECKING:
    from activities.analytics.store.points import StoredPoint
    from models.verdict import Verdict

app = typer.Typer(no_args_is_help=True, help="See rollback points, and check them.")

Id = Annotated[int, typer.Argument(help="The point's number, as `sternway points list` shows it.")]
Service = Annotated[str | None, typer.Option(help="Only this service's.")]
Region = Annotated[str | None, typer.Option(help="Only this region's.")]
Url = Annotated[str | None, typer.Option("--url", help="The store, if it is not the one of the settings.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


@app.command("list")
def list_points(
    service: Service = None,
    region: Region = None,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1)] = 50,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """List rollback points, the newest first, with what the store knows of each.

    Whether the catalog still has the service, and does not call the release incompatible, is not looked at: `sternway
    plan` does that.

    Example: [bold]sternway points list --service payments[/bold]
    """
    from activities.analytics.store import open_store, points
    from models.settings import Settings

    store = open_store(url or Settings().store_url)
    try:
        found = points.points(store, service, region, limit)
    finally:
        store.close()
    if as_json:
        print(json.dumps([_document(one) for one in found]))
        return
    table = table_of("point", "service", "region", "release", "why", "taken", "standing")
    for one in found:
        point = one.point
        table.add_row(
            str(one.id), point.service, point.region, point.release, point.why, ago(point.taken_at), _standing(one)
        )
    show_parts(table if found else "no rollback point")


@app.command()
def show(point: Id, url: Url = None, as_json: Json = False) -> None:
    """Show everything that is known of one point.

    Example: [bold]sternway points show 12[/bold]
    """
    from activities.analytics.store import open_store, points
    from models.settings import Settings

    store = open_store(url or Settings().store_url)
    try:
        found = points.point(store, point)
    finally:
        store.close()
    if found is None:
        raise _unknown(point)
    if as_json:
        print(json.dumps(_document(found)))
        return
    facts = table_of("", "")
    facts.add_row("standing", _standing(found))
    for name, value in _document(found).items():
        facts.add_row(name.replace("_", " "), "none" if value is None else str(value))
    show_parts(facts)


@app.command()
def verify(
    point: Annotated[int | None, typer.Argument(help="The point's number. Default: all that are not marked.")] = None,
    service: Service = None,
    region: Region = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is found: note and mark nothing.")] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Hold points against the world as it is now, and note what was found.

    Looked at: the point's age, and whether the platform still knows how to run its release. Not looked at: whether its
    image or program can still be fetched. A point that fails is marked with the reason and never chosen again, nor
    asked about again without its number. That cannot be taken back: with another catalog, whose platform does not know
    the releases, good points are lost. Look with --dry-run first.

    The exit status is 0 if every point holds, 1 if one does not or could not be checked, and 2 if nothing could begin.

    Example: [bold]sternway points verify --service payments[/bold]
    """
    import asyncio

    from activities.analytics.store import open_store, points
    from models.settings import Settings

    if point is not None and (service or region):
        raise SternwayError(f"point {point} is of one service and region; leave --service and --region away")
    store = open_store(url or Settings().store_url)
    try:
        if point is None:
            asked = [one for one in points.not_marked(store) if _is_of(one, service, region)]
        elif (one := points.point(store, point)) is not None:
            asked = [one]
        else:
            raise _unknown(point)
        now = datetime.now(UTC)
        verdicts = asyncio.run(_judge([one for one in asked if one.point.valid], now))
        if not dry_run:
            points.note(store, verdicts, now)
    finally:
        store.close()
    found = [(one, verdicts.get(one.id) or _marked(one)) for one in asked]
    if as_json:
        print(json.dumps([{"id": one.id, **verdict.model_dump(mode="json")} for one, verdict in found]))
    else:
        table = table_of("point", "service", "region", "release", "finding", "what was found")
        for one, verdict in found:
            named = (one.point.service, one.point.region, one.point.release)
            table.add_row(str(one.id), *named, verdict.finding, verdict.sentence)
        show_parts(table if found else "no rollback point to check")
    if not all(verdict.passed for _, verdict in found):
        raise typer.Exit(1)


async def _judge(asked: list[StoredPoint], now: datetime) -> dict[int, Verdict]:
    from activities.catalogs import Catalogs
    from activities.directory import Directory
    from models.settings import Settings
    from workers.catalog import load_catalog
    from workers.points.looking import judge, look

    loaded = load_catalog(Settings().catalog)
    directory = Directory(Catalogs(loaded, lambda _digest: None), protect="", operate="")
    places = {(one.point.service, one.point.region) for one in asked}
    read = {place: await look(directory, loaded, *place) for place in sorted(places)}
    return {one.id: judge(one.point, read[(one.point.service, one.point.region)], now) for one in asked}


def _is_of(one: StoredPoint, service: str | None, region: str | None) -> bool:
    return service in (None, one.point.service) and region in (None, one.point.region)


def _marked(one: StoredPoint) -> Verdict:
    from models.verdict import Finding, Verdict

    return Verdict(finding=Finding.FAIL, sentence=one.point.reason or "it is not valid")


def _standing(one: StoredPoint) -> str:
    if not one.point.valid:
        return f"invalid: {one.point.reason}"
    if one.point.usable(datetime.now(UTC)):
        return "known to work"
    return "kept, never chosen" if one.point.expires_at > datetime.now(UTC) else "expired"


def _document(one: StoredPoint) -> dict[str, Any]:
    return {"id": one.id, **one.point.model_dump(mode="json")}


def _unknown(point: int) -> SternwayError:
    return SternwayError(f"there is no rollback point {point}; `sternway points list` shows those there are")
