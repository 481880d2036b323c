"""What the guards of each region are told, for all of them at once: the store is asked twice a second, not for each.

The words are those of :mod:`sternway_guard.protocol`. While the store cannot be asked nothing is said, not even that
nothing has changed, and the guards decide alone once the last word has lapsed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime

from sternway_guard.protocol import VERSION

from activities.analytics.store import Store, StoreUnavailable, intents
from models.intent import Told
from workers.observability.logs import logger

TTL = 30.0
"""Seconds that a word holds."""

BEAT = 10.0
"""Seconds after which one that says nothing new renews it: two may be lost."""

LOOKS_EVERY = 0.5
"""Seconds."""

_log = logger("sternway.gateway.guards")


class GuardStates:
    """Streams for the guards of any region. :meth:`run` it as long as there may be some."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._regions: dict[str, _Region] = {}
        self._closed = False

    async def run(self) -> None:
        """Look at the regions that anybody listens to, for ever."""
        while True:
            for region in [region for region in self._regions.values() if region.listeners]:
                await self._look(region)
            await asyncio.sleep(LOOKS_EVERY)

    def close(self) -> None:
        """End every stream: the process stops."""
        self._closed = True
        for region in self._regions.values():
            region.changed.set()

    async def stream(self, name: str) -> AsyncGenerator[bytes]:
        """Lines for one guard, from all that holds on."""
        region = self._regions.setdefault(name, _Region(name))
        region.listeners += 1
        sent: tuple[int, dict[str, Told]] | None = None
        said_at = 0.0
        try:
            while not self._closed:
                changed, state, now = region.changed, region.state, time.monotonic()
                fresh = now - region.looked_at < BEAT
                if state is not None and fresh and (state != sent or now - said_at >= BEAT):
                    yield _line(state, sent)
                    sent, said_at = state, now
                with suppress(TimeoutError):
                    async with asyncio.timeout(BEAT / 2):
                        await changed.wait()
        finally:
            region.listeners -= 1

    async def _look(self, region: _Region) -> None:
        try:
            await asyncio.to_thread(intents.lapse, self._store, region.name, datetime.now(UTC))
            state = await asyncio.to_thread(intents.state, self._store, region.name)
        except StoreUnavailable as error:
            _log.warning("guards hear nothing while the store is away", region=region.name, error=str(error))
            return
        except Exception:  # noqa: BLE001 -- a row that cannot be read must not keep other regions from being told
            _log.exception("guards hear nothing: what is wanted of them cannot be understood", region=region.name)
            return
        region.looked_at = time.monotonic()
        if state != region.state:
            region.state = state
            region.changed.set()
            region.changed = asyncio.Event()


class _Region:
    def __init__(self, name: str) -> None:
        self.name = name
        self.listeners = 0
        self.state: tuple[int, dict[str, Told]] | None = None
        """Its epoch, and what is told of each target."""
        self.looked_at = 0.0
        self.changed = asyncio.Event()
        """Replaced with each change."""


def _line(state: tuple[int, dict[str, Told]], sent: tuple[int, dict[str, Told]] | None) -> bytes:
    epoch, now = state
    since, before = sent or (0, {})
    changed = {target: one for target, one in now.items() if before.get(target) != one}
    told = {target: one.model_dump(mode="json", exclude_defaults=True) for target, one in changed.items()}
    said = {
        "v": VERSION,
        "epoch": epoch,
        "since": since,
        "ttl": TTL,
        "intents": {**told, **dict.fromkeys(before.keys() - now.keys())},
    }
    return json.dumps(said).encode() + b"\n"
