"""``sternway preventions``: what is done about incidents that are only predicted, and a person's word to it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from workers.cli.table import show_parts, table_of
from workers.cli.word import By, Reason, Why

if TYPE_CHECKING:
    from temporalio.client import Client

app = typer.Typer(no_args_is_help=True, help="See what is done about predicted incidents; approve it, or call it off.")

Answer = TypeVar("Answer")

Service = Annotated[str, typer.Argument(help="The service.")]
Region = Annotated[str, typer.Argument(help="The region.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


@app.command("list")
def list_preventions(
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=200)] = 20,
    as_json: Json = False,
) -> None:
    """List preventions, the newest first, with what each does and why.

    Asks Temporal, and the pools that run them.

    Example: [bold]sternway preventions list[/bold]
    """
    from workers.preventions import preventions

    found = _with_temporal(lambda client: preventions(client, limit))
    if as_json:
        print(json.dumps([one.model_dump(mode="json") for one in found]))
        return
    table = table_of("prevention", "service", "region", "action", "phase", "says")
    for one in found:
        table.add_row(one.incident, one.service, one.region, one.action or "none", one.phase or "unknown", one.sentence)
    show_parts(table if found else "no prevention was begun")


@app.command()
def approve(service: Service, region: Region, by: By, reason: Reason = "", as_json: Json = False) -> None:
    """Let the prevention of a service be done that waits for it.

    Example: [bold]sternway preventions approve payments eu[/bold]
    """
    _say("approve", service, region, by, reason, as_json)


@app.command()
def abort(service: Service, region: Region, by: By, reason: Why, as_json: Json = False) -> None:
    """Call the prevention of a service off, and take back what it has done.

    Example: [bold]sternway preventions abort payments eu --reason "we scale by hand"[/bold]
    """
    _say("abort", service, region, by, reason, as_json)


def _say(what: Literal["approve", "abort"], service: str, region: str, by: str, reason: str, as_json: bool) -> None:
    from models.incident import Approval
    from workers.preventions import say

    word = Approval(by=by, reason=reason)
    answer = _with_temporal(lambda client: say(client, region, service, what, word))
    print(json.dumps({"service": service, "region": region, "answer": answer}) if as_json else answer)


def _with_temporal(work: Callable[[Client], Awaitable[Answer]]) -> Answer:
    """Raises :class:`~models.base.SternwayError` where Temporal or the pools do not answer."""
    import asyncio

    from temporalio.service import RPCError

    from models.base import SternwayError
    from models.settings import Settings
    from workers.temporal import connect

    async def connected() -> Answer:
        return await work(await connect(Settings()))

    try:
        return asyncio.run(connected())
    except RPCError as error:
        raise SternwayError(f"Temporal, or a pool, did not answer: {error}; try again once both run") from None
