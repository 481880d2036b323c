"""``sternway watch``: detection by burn rates of the catalog's objectives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def watch(
    catalog: Annotated[Path | None, typer.Option(help="The catalog file; default: STERNWAY_CATALOG.")] = None,
    gateway: Annotated[str | None, typer.Option(help="The gateway's URL; default: STERNWAY_GATEWAY_URL.")] = None,
    windows: Annotated[
        str, typer.Option(help="Pairs of windows: LONG:SHORT:FACTOR[:SEVERITY], with commas between.")
    ] = "1h:5m:14.4,6h:30m:6",
    scale: Annotated[float, typer.Option(help="Divide all windows by this; for demonstrations.", min=0.001)] = 1,
    tick: Annotated[
        float | None, typer.Option(help="Seconds between looks; default: a tenth of the shortest window, 15 at most.")
    ] = None,
    min_requests: Annotated[
        int, typer.Option(help="Fewer requests in the short window say nothing: no alert begins.", min=1)
    ] = 50,
    grace: Annotated[
        float | None, typer.Option(help="Seconds for which callers wait for their dependencies; default: two ticks.")
    ] = None,
    repeat: Annotated[str, typer.Option(help="A firing alert is sent again after this time.")] = "5m",
) -> None:
    """Watch the services of the catalog and send alerts to the gateway, as Alertmanager would.

    An alert fires while both windows of a pair burn the error budget faster than the factor allows, for what users see
    (availability, and latency where the catalog has an objective). It is inhibited while a dependency is in trouble.

    Example: sternway watch --catalog catalog.yaml --windows 1h:5m:14.4,6h:30m:6

    For a demonstration with windows of seconds: sternway watch --scale 600 --min-requests 10
    """
    import asyncio

    from models.settings import Settings
    from workers.watch.process import Options, serve

    options = Options(windows=windows, scale=scale, tick=tick, min_requests=min_requests, grace=grace, repeat=repeat)
    asyncio.run(serve(Settings(), catalog, gateway, options))
