"""``sternway store``: the store's schema. ``sternway audit``: proof that its journal is what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from activities.analytics.store import Store
    from activities.analytics.store.audit import Audit
    from activities.analytics.store.schema import SchemaStatus

store = typer.Typer(no_args_is_help=True, help="Look after the store's schema.")
audit = typer.Typer(no_args_is_help=True, help="Prove that the journal is what was written.")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Url = Annotated[str | None, typer.Option("--url", help="The store, if it is not the one of the settings.")]


@store.command("migrate", epilog="Example: sternway store migrate --url sqlite:///sternway.db")
def migrate(url: Url = None, json: Json = False) -> None:
    """Bring the store's schema up to date. Running it again, or twice at once, changes nothing more."""
    from activities.analytics.store import schema

    opened = _open(url)
    try:
        _show(schema.migrate(opened), json)
    finally:
        opened.close()


@store.command("status", epilog="Example: sternway store status --json")
def status(url: Url = None, json: Json = False) -> None:
    """Show where the schema stands. Exit status 1 where this Sternway cannot work with it."""
    from activities.analytics.store import schema

    opened = _open(url)
    try:
        found = schema.status(opened)
    finally:
        opened.close()
    _show(found, json)
    if not found.usable:
        raise typer.Exit(1)


@audit.command("verify", epilog="Example: sternway audit verify --incident 01JD0Z3YB6S7T8V9W0X1Y2Z3A4")
def verify(
    incident: Annotated[str | None, typer.Option(help="Only this incident's journal, and the anchors.")] = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Recompute every hash chain. Exit status 1 where one is broken, with the first event that does not fit."""
    from activities.analytics.store import audit as auditing
    from models.base import SternwayError

    opened = _open(url)
    try:
        found = auditing.verify(opened, incident)
    finally:
        opened.close()
    if incident is not None and not found.incidents and not found.broken:
        raise SternwayError(f"the store knows no incident {incident}; sternway incidents list shows those it knows")
    typer.echo(found.model_dump_json() if json else _report(found))
    if found.broken:
        raise typer.Exit(1)


def _open(url: str | None) -> Store:
    from activities.analytics.store import open_store
    from models.settings import Settings

    return open_store(url or Settings().store_url)


def _show(found: SchemaStatus, json: bool) -> None:
    if json:
        typer.echo(found.model_dump_json())
        return
    typer.echo(f"store   {found.store}")
    typer.echo(f"schema  {found.revision or 'none: the store is empty'}")
    typer.echo(f"wanted  {found.wanted}")
    if found.usable and not found.known:
        typer.echo("the store is newer than this Sternway, which may go on using it")
    elif not found.known:
        typer.echo("the store is newer than this Sternway: upgrade Sternway, or point it at another store")
    elif not found.current:
        typer.echo(f"to do   {', '.join(found.pending)}: run sternway store migrate")


def _report(found: Audit) -> str:
    lines = [f"BROKEN  {fault}" for fault in found.broken]
    counted = f"{found.events} events of {found.incidents} incidents, {found.anchors} anchors"
    verdict = f"{len(found.broken)} broken chains" if found.broken else "every chain is whole"
    return "\n".join([*lines, f"{counted}: {verdict}", f"newest anchor, to note outside: {found.newest_anchor}"])
