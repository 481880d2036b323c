"""``sternway demo``: one bad release, from the alert to the verified recovery."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Fault(StrEnum):
    """What is wrong with release v2 of payments."""

    ERRORS = "errors"
    LATENCY = "latency"
    LEAK = "leak"
    CRASH = "crash"


def demo(
    fault: Annotated[Fault, typer.Option(help="What is wrong with release v2 of payments.")] = Fault.ERRORS,
    rate: Annotated[float, typer.Option(min=1, max=200, help="User requests a second in each region.")] = 20,
    protect: Annotated[bool, typer.Option(help="--no-protect is the control run: nothing is leased.")] = True,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep everything running after the report, until Ctrl-C.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where the run keeps its data and its logs.")] = Path(".sternway/demo"),
    json: Annotated[bool, typer.Option("--json", help="The report as one JSON object on the last line.")] = False,
) -> None:
    """Show the main job on real parts: a fleet of six services in two regions gets a bad release of payments.

    Everything runs on loopback, on free ports, and is stopped at the end, also by Ctrl-C. Exit status 0 only if
    payments is verified healthy on v1.

    Example: [bold]sternway demo --fault latency --json[/bold]
    """
    from workers.local.demo.run import run

    raise typer.Exit(run(fault.value, rate, protect, keep, folder, json))
