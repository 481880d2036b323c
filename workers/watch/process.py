"""The watcher's process: from the command line's words to a running watcher, and a clean stop on a signal."""

from __future__ import annotations

import asyncio
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from activities.sources import sources_of
from models.base import SternwayError
from models.catalog import Catalog
from models.settings import Settings
from workers.catalog import load_catalog
from workers.observability import logs, metrics
from workers.watch.sender import Sender
from workers.watch.watcher import Watcher, Watching, never_firing
from workers.watch.windows import BurnWindow, parse_duration, parse_windows

SENDER = "alertmanager"
"""The alert source as which the gateway knows the watcher, and whose token it uses."""

_LONGEST_TICK = 15.0
_log = logs.logger(__name__)


@dataclass(frozen=True)
class Options:
    """The command line's, as they were typed."""

    windows: str
    scale: float
    tick: float | None
    min_requests: int
    grace: float | None
    repeat: str


async def serve(settings: Settings, catalog_file: Path | None, gateway: str | None, options: Options) -> None:
    """Watch until SIGTERM or SIGINT. Raises :class:`~models.base.SternwayError` for what cannot be watched so."""
    token = settings.alert_tokens.get(SENDER)
    if token is None or not token.get_secret_value():
        raise SternwayError(
            "the watcher has no token for the gateway; set STERNWAY_ALERT_TOKENS to the JSON that the gateway has: "
            '{"alertmanager": "…"}'
        )
    watching = watching_of(options)
    catalog = load_catalog(catalog_file or settings.catalog).catalog
    logs.configure(settings, "watch")
    if settings.metrics_port:
        metrics.serve(settings.metrics_port)
    _announce(catalog, options, watching)
    sender = Sender(f"{(gateway or settings.gateway_url).rstrip('/')}/v1/alerts/{SENDER}", token.get_secret_value())
    sources = sources_of(catalog)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await Watcher(catalog, sources, sender, watching).run(stop)
    finally:
        await sender.close()
        for source in sources:
            await source.telemetry.close()
        _log.info("the watcher has stopped")


def watching_of(options: Options) -> Watching:
    """What the options come to. Raises :class:`~models.base.SternwayError`."""
    windows = tuple(window.scaled(options.scale) for window in parse_windows(options.windows))
    shortest = min(window.short for window in windows)
    tick = options.tick or min(_LONGEST_TICK, max(0.05, shortest / 10))
    if tick > shortest / 2:
        raise SternwayError(
            f"a look every {tick:g} s is too seldom for a window of {shortest:g} s; use --tick {shortest / 10:g}, "
            "longer windows or a smaller --scale"
        )
    return Watching(
        windows=windows,
        tick=tick,
        min_requests=options.min_requests,
        grace=2 * tick if options.grace is None else options.grace,
        repeat=parse_duration(options.repeat),
        external_url=f"http://{socket.gethostname()}",
    )


def _announce(catalog: Catalog, options: Options, watching: Watching) -> None:
    _log.info("watching", services=len(catalog.services), tick=watching.tick, windows=_words(watching.windows))
    if options.scale != 1:
        _log.warning(
            f"all windows are divided by {options.scale:g}: this is for demonstrations, not for production",
            windows=_words(watching.windows),
        )
    for sentence in never_firing(catalog, watching.windows):
        _log.warning(sentence)


def _words(windows: tuple[BurnWindow, ...]) -> list[str]:
    return [f"{w.factor:g} times over {w.long:g} s and {w.short:g} s ({w.severity})" for w in windows]
