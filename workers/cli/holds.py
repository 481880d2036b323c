"""``sternway holds``: releases that were rolled away from, from the store itself, with or without a gateway."""

from __future__ import annotations

import getpass
import json
from typing import Annotated

import typer

from models.base import SternwayError
from workers.cli.table import ago, show_parts, table_of

app = typer.Typer(no_args_is_help=True, help="See which releases are held, and lift a hold.")

Url = Annotated[str | None, typer.Option("--url", help="The store, if it is not the one of the settings.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


@app.command("list")
def list_holds(
    service: Annotated[str | None, typer.Option(help="Only this service's.")] = None,
    region: Annotated[str | None, typer.Option(help="Only this region's.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that a person has lifted as well.")] = False,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1)] = 50,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """List the releases that were rolled away from, but for those whose hold a person has lifted.

    Example: [bold]sternway holds list[/bold]
    """
    from activities.analytics.store import holds, open_store
    from models.settings import Settings

    store = open_store(url or Settings().store_url)
    try:
        found = (holds.holds if every else holds.standing)(store, service, region, limit)
    finally:
        store.close()
    if as_json:
        print(json.dumps([hold.model_dump(mode="json") for hold in found]))
        return
    table = table_of("service", "region", "release", "since", "incident", "reason", "lifted")
    for hold in found:
        lifted = f"{ago(hold.lifted_at)} by {hold.lifted_by}: {hold.lifted_reason}" if hold.lifted_at else "no"
        table.add_row(hold.service, hold.region, hold.release, ago(hold.since), hold.incident, hold.reason, lifted)
    show_parts(table if found else "no release is held")


@app.command()
def lift(
    service: Annotated[str, typer.Argument(help="The service.")],
    region: Annotated[str, typer.Argument(help="The region.")],
    release: Annotated[str, typer.Argument(help="The release that is held.")],
    by: Annotated[str, typer.Option(help="Who lifts it; it is recorded.", default_factory=getpass.getuser)],
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")],
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Let a held release be gone back to again. Recorded in the journal of the incident that held it.

    Also one whose hold a newer release has ended. Its earlier rollback points stay invalid.

    Example: [bold]sternway holds lift payments eu v2 --reason "the provider was at fault"[/bold]
    """
    from activities.analytics.store import holds, open_store
    from models.hold import STERNWAY
    from models.settings import Settings
    from workers.points.lifting import lift as record

    if by == STERNWAY:
        raise SternwayError(f"{by} lifts no hold for a person; say with --by who does")
    if not reason.strip():
        raise SternwayError("a hold is lifted for a reason; say it with --reason")
    store = open_store(url or Settings().store_url)
    try:
        found = [hold for hold in holds.standing(store, service, region) if hold.release == release]
        for hold in found:
            record(store, hold, by, reason)
    finally:
        store.close()
    if not found:
        raise SternwayError(
            f"{release} of {service} in {region} is not held; `sternway holds list` shows what is, and --all what was"
        )
    if as_json:
        print(json.dumps({"service": service, "region": region, "release": release, "lifted": len(found)}))
    else:
        print(f"{release} of {service} in {region} is not held any more")
