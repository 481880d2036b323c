"""``sternway upgrade``: from one build to the next, without cutting an incident."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from temporalio.client import Client

    from workers.deployment.standing import Standing

app = typer.Typer(no_args_is_help=True, help="Go from one build to the next; incidents end on the build they began on.")

Answer = TypeVar("Answer")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]
Wait = Annotated[float, typer.Option(min=0, help="Seconds to try again while something stands in the way.")]


@app.command()
def status(as_json: Json = False) -> None:
    """Show the builds, which one is current, what runs on each, and who polls.

    Example: [bold]sternway upgrade status[/bold]
    """
    from workers.deployment.standing import standing

    found = _with_temporal(standing, 0)
    if as_json:
        print(found.model_dump_json())
    else:
        _show(found)


@app.command()
def apply(
    build: Annotated[str | None, typer.Option(help="The build to make current. Default: the newest.")] = None,
    wait: Wait = 0,
    without: Annotated[
        list[str] | None, typer.Option(help="A region whose pool need not be there. Repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Begin new incidents on another build.

    Its processes must poll for incidents and for every region of the catalog. What runs ends on the build that it began
    on, so leave that one's processes running. Going back is the same: name the build before. Exit status 1 where the
    build is not ready; nothing is changed then.

    Example: [bold]sternway upgrade apply --wait 60[/bold]
    """
    from models.base import SternwayError
    from models.settings import Settings
    from workers.catalog import load_catalog
    from workers.deployment.upgrade import apply as apply_to

    regions = [*load_catalog(Settings().catalog).catalog.regions]
    left_out = without or []
    for region in left_out:
        if region not in regions:
            raise SternwayError(f"the catalog has no region {region!r}; it has {', '.join(regions)}")
    current = _with_temporal(lambda client: apply_to(client, build, regions, left_out, _say), wait)
    print(json.dumps({"current": current}) if as_json else f"new incidents begin on build {current}")


@app.command()
def remove(
    build: Annotated[str, typer.Argument(help="The build, as `sternway upgrade status` shows it.")],
    wait: Wait = 0,
    as_json: Json = False,
) -> None:
    """Forget a build that is no longer needed.

    Refused with exit status 1 while it is the current one, while an incident runs on it, and while its processes poll.

    Example: [bold]sternway upgrade remove 0.1.0-60e943f50f0a --wait 300[/bold]
    """
    from workers.deployment.upgrade import remove as remove_from

    _with_temporal(lambda client: remove_from(client, build), wait)
    print(json.dumps({"removed": build}) if as_json else f"build {build} is removed")


def _with_temporal(work: Callable[[Client], Awaitable[Answer]], wait: float) -> Answer:
    """Do *work* with a connected client. What is not possible within *wait* ends with status 1, trouble with 2."""
    import asyncio

    from temporalio.service import RPCError

    from models.base import SternwayError
    from models.settings import Settings
    from workers.deployment.standing import NotYet
    from workers.deployment.upgrade import patiently
    from workers.temporal import connect

    async def connected() -> Answer:
        client = await connect(Settings())
        return await patiently(lambda: work(client), wait, _say)

    try:
        return asyncio.run(connected())
    except NotYet as reason:
        print(f"sternway: {reason}", file=sys.stderr)
        raise typer.Exit(1) from None
    except RPCError as error:
        raise SternwayError(f"Temporal did not do it: {error.message}; ask again, or see its log") from error


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _show(found: Standing) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("build", "", "since", "running", "queue", "polled by"):
        table.add_column(column, overflow="fold", no_wrap=column == "build")
    for build in found.builds:
        rows = [(queue, ", ".join(who) or "nobody") for queue, who in build.polled.items()] or [("", "nobody")]
        since = f"{build.since:%Y-%m-%d %H:%M} UTC"
        facts = (build.build, "current" if build.current else "", since, str(len(build.running)))
        for number, row in enumerate(rows):
            table.add_row(*(facts if number == 0 else ("", "", "", "")), *row)
    console = Console(markup=False)
    console.print(table)
    for build in found.builds:
        if build.running and not any(build.polled.values()):
            waiting = ", ".join(running.workflow for running in build.running)
            console.print(f"nobody runs build {build.build}, and this waits for it: {waiting}")
