"""Waiting until something that was started is there, with a deadline and a sentence that says what was waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx

from models.base import SternwayError

INTERVAL = 0.02
"""Seconds between two looks."""


class NotReady(SternwayError):
    """What was waited for did not come about in time."""


async def until(condition: Callable[[], Awaitable[bool]], seconds: float, what: str) -> None:
    """Return once *condition* holds. Raises :class:`NotReady` after *seconds*."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise NotReady(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(INTERVAL)


async def answers(url: str) -> bool:
    """Whether a GET of *url* is answered with 200."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=1) as client:
            return (await client.get(url)).status_code == 200
    except httpx.HTTPError:
        return False


async def listens(port: int) -> bool:
    """Whether something accepts connections on this port of 127.0.0.1."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
