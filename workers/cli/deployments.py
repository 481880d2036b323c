"""``sternway deployments``: what delivery systems have told, from the store itself, with or without a gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.table import ago, show_parts, table_of

if TYPE_CHECKING:
    from activities.analytics.store import Store
    from models.deployment import DeployEvent

app = typer.Typer(no_args_is_help=True, help="See what delivery systems have told of releases.")

Limit = Annotated[int, typer.Option(help="How many, the newest first.", min=1)]
Url = Annotated[str | None, typer.Option("--url", help="The store, if it is not the one of the settings.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


@app.command("list")
def list_deployments(
    service: Annotated[str, typer.Argument(help="The service.")],
    region: Annotated[str, typer.Argument(help="The region.")],
    limit: Limit = 50,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """List what was told of a service in a region, the newest first.

    What the platform has rolled out by itself is not among it; `sternway plan` looks at both.

    Example: [bold]sternway deployments list payments eu[/bold]
    """
    from activities.analytics.store import deployments

    found = _read(url, lambda store: deployments.deployments(store, service, region, limit))
    if as_json:
        print(_json(found))
        return
    table = table_of("release", "deployed", "told by", "deployer", "description", "more")
    for one in found:
        table.add_row(one.release, ago(one.at), one.source, one.deployer, one.description, one.url)
    show_parts(table if found else f"nothing was told of {service} in {region}")


@app.command()
def unrouted(limit: Limit = 50, url: Url = None, as_json: Json = False) -> None:
    """List what has no place in the catalog, the newest first, each with the reason.

    Example: [bold]sternway deployments unrouted[/bold]
    """
    from activities.analytics.store import deployments

    found = _read(url, lambda store: deployments.unrouted(store, limit))
    if as_json:
        print(_json(found))
        return
    table = table_of("release", "deployed", "told by", "reference", "why it has no place")
    for one in found:
        table.add_row(one.release, ago(one.at), one.source, one.reference, one.unrouted)
    show_parts(table if found else "every deployment has its place")


def _read(url: str | None, read: Callable[[Store], list[DeployEvent]]) -> list[DeployEvent]:
    from activities.analytics.store import open_store
    from models.settings import Settings

    store = open_store(url or Settings().store_url)
    try:
        return read(store)
    finally:
        store.close()


def _json(found: list[DeployEvent]) -> str:
    return json.dumps([one.model_dump(mode="json") for one in found])
