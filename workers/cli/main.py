"""The ``sternway`` command: one file a subject, put together here.

Commands import what they run inside their functions, so that ``sternway --help`` answers at once.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn

import typer

from models.base import SternwayError
from workers.cli.agent import agent
from workers.cli.breakers import app as breakers
from workers.cli.check import check
from workers.cli.demo import demo
from workers.cli.deployments import app as deployments
from workers.cli.gateway import gateway
from workers.cli.holds import app as holds
from workers.cli.incidents import app as incidents
from workers.cli.mesh import envoy, mesh, mesh_bootstrap
from workers.cli.plan import plan
from workers.cli.points import app as points
from workers.cli.pool import pool
from workers.cli.predict import app as predict
from workers.cli.preventions import app as preventions
from workers.cli.restart import restart
from workers.cli.store import audit, store
from workers.cli.undo import undo
from workers.cli.upgrade import app as upgrade
from workers.cli.watch import watch

app = typer.Typer(
    name="sternway",
    help="When production breaks, go back safely.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("demo")(demo)
app.command("agent")(agent)
app.command("pool")(pool)
app.command("mesh")(mesh)
app.command("envoy")(envoy)
app.command("mesh-bootstrap")(mesh_bootstrap)
app.command("gateway")(gateway)
app.command("watch")(watch)
app.add_typer(incidents, name="incidents")
app.add_typer(points, name="points")
app.add_typer(holds, name="holds")
app.add_typer(breakers, name="breakers")
app.add_typer(predict, name="predict")
app.add_typer(preventions, name="preventions")
app.add_typer(deployments, name="deployments")
app.add_typer(upgrade, name="upgrade")
app.command("undo")(undo)
app.command("restart")(restart)
app.command("check")(check)
app.command("plan")(plan)


@app.callback()
def sternway() -> None:
    """When production breaks, go back safely."""


app.add_typer(store, name="store")
app.add_typer(audit, name="audit")


def run() -> None:
    """Run the command line. An error that names its cure ends with status 2 and without a traceback."""
    try:
        app()
    except SternwayError as error:
        print(f"sternway: {error}", file=sys.stderr)
        _leave(2)
    except SystemExit as ended:
        _leave(ended.code if isinstance(ended.code, int) else int(ended.code is not None))


def _leave(status: int) -> NoReturn:
    """End the process with *status*, at once where Temporal's client was used: its threads live on, and one that has
    something to say while the interpreter is taken apart aborts the process. Every fourth command ended like that."""
    if "temporalio.bridge" in sys.modules:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
    raise SystemExit(status)
