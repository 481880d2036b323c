"""Which replicas there are and which are ready, as a long poll, and knowing when those who poll have had a change.

A replica is ended only after the meshes have had its draining. The version grows over restarts of the agent, so that a
poller never waits for a number that the new agent will not reach.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Literal

from models.base import Frozen

FORGET_AFTER = 2.0
"""Seconds without a poll after which a watcher is taken to be gone."""


class Listed(Frozen):
    """One replica as the mesh sees it."""

    id: str
    region: str
    service: str
    release: str
    address: str
    """``host:port``."""
    status: Literal["starting", "ready", "draining"]
    pid: int


class View(Frozen):
    version: int
    replicas: tuple[Listed, ...]


@dataclass
class _Watcher:
    has: int
    """The version that it came back with, so it has made that one its own."""
    polling: int = 0
    last_seen: float = 0.0


class Discovery:
    """The present view, and who has had which version of it."""

    def __init__(self, starts: int) -> None:
        """*starts*: how many times the agent has started on its data, this time included."""
        self._view = View(version=starts << 24, replicas=())
        self._changed = asyncio.Event()
        self._closed = False
        self._watchers: dict[str, _Watcher] = {}

    def publish(self, replicas: tuple[Listed, ...]) -> int:
        """Make this the view; the version of it."""
        if replicas != self._view.replicas:
            self._view = View(version=self._view.version + 1, replicas=replicas)
            self._wake()
        return self._view.version

    async def wait(self, watcher: str, after: int, seconds: float) -> View:
        """The view, as soon as it is another than *after*, or after *seconds*."""
        known = self._watchers.setdefault(watcher, _Watcher(after))
        known.has, known.polling = after, known.polling + 1
        deadline = time.monotonic() + seconds
        try:
            while self._view.version == after and not self._closed:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._changed.wait()
        except TimeoutError:
            pass
        finally:
            known.polling, known.last_seen = known.polling - 1, time.monotonic()
        return self._view

    async def had(self, version: int, seconds: float) -> bool:
        """Wait until everyone who polls has had *version*; False if somebody has not after *seconds*."""
        deadline = time.monotonic() + seconds
        while self._behind(version):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True

    def close(self) -> None:
        """Answer everyone who waits."""
        self._closed = True
        self._wake()

    def _behind(self, version: int) -> bool:
        oldest = time.monotonic() - FORGET_AFTER
        self._watchers = {n: w for n, w in self._watchers.items() if w.polling or w.last_seen > oldest}
        return any(watcher.has < version for watcher in self._watchers.values())

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
