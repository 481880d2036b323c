"""Showing a run while it runs: a live picture on a terminal, plain progress lines anywhere else."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from rich.console import Console
from rich.live import Live

from workers.local.demo.frame import frame
from workers.local.demo.plain import Progress
from workers.local.demo.story import Story

EVERY = 0.25
"""Seconds between two pictures, though nothing has been told: the clock in the header goes on."""


@asynccontextmanager
async def shown(story: Story, title: str, *, plain: bool) -> AsyncGenerator[Callable[[], None]]:
    """Show *story* for as long as the context is open; yields what shows it at once.

    *plain*: progress lines on standard error, also where standard output is a terminal. On a pipe it is always plain.
    """
    console = Console()
    if plain or console.is_dumb_terminal or not sys.stdout.isatty():
        progress = Progress(story, title, lambda line: print(line, file=sys.stderr, flush=True))
        async with _repeated(lambda: progress.tell(time.time())) as tell:
            yield tell
        return

    with Live(console=console, screen=True, auto_refresh=False) as live:

        def draw() -> None:
            width, height = console.size
            live.update(frame(story, title, time.time(), width, height), refresh=True)

        async with _repeated(draw) as redraw:
            yield redraw


@asynccontextmanager
async def _repeated(show: Callable[[], None]) -> AsyncGenerator[Callable[[], None]]:
    async def again() -> None:
        while True:
            show()
            await asyncio.sleep(EVERY)

    repeating = asyncio.create_task(again())
    try:
        yield show
    finally:
        repeating.cancel()
        with suppress(asyncio.CancelledError):
            await repeating
        show()
