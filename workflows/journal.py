"""The outbox of a workflow: what was done is recorded in order and once, and recording never blocks recovery."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import FailureError

from workflows.regions import Regions

with workflow.unsafe.imports_passed_through():
    from pydantic_core import to_jsonable_python

    from activities.analytics import contract as analytics
    from models.base import Frozen
    from models.journal import JournalEntry

BATCH = 100
RETRY_AFTER = timedelta(seconds=2)
HAND_OVER_AFTER = timedelta(seconds=2)


class Journal:
    """Entries wait in the workflow's own state until the store has taken them."""

    def __init__(self, incident: str, regions: Regions) -> None:
        self._incident = incident
        self._source = f"{workflow.info().workflow_id}/{workflow.info().run_id}"
        self._regions = regions
        self._entries: list[JournalEntry] = []
        self._numbered = 0
        self._closing = False
        self._flusher: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to hand entries to the store; those that were recorded before have waited for this.

        Not in the constructor, also because what begins there is no part of the workflow's trace.
        """
        self._flusher = asyncio.create_task(self._flush())

    def record(self, kind: str, payload: Frozen | Mapping[str, object]) -> None:
        """Note an event, with the workflow's own clock and the next sequence number."""
        self._numbered += 1
        self._entries.append(
            JournalEntry(
                incident=self._incident,
                source=self._source,
                source_seq=self._numbered,
                kind=kind,
                at=workflow.now(),
                payload=to_jsonable_python(payload),
            )
        )

    async def close(self) -> None:
        """Wait until the store has everything. Nothing may be recorded afterwards."""
        self._closing = True
        if self._flusher:
            await self._flusher

    async def hand_over(self) -> tuple[JournalEntry, ...]:
        """What the store has not taken within a moment, for the parent's journal. Nothing may be recorded afterwards.

        Sending an entry twice is harmless: its source and number tell.
        """
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: not self._entries, timeout=HAND_OVER_AFTER)
        if self._flusher:
            self._flusher.cancel()
        return tuple(self._entries)

    def adopt(self, entries: tuple[JournalEntry, ...]) -> None:
        """Record what a child could not."""
        self._entries.extend(entries)

    async def _flush(self) -> None:
        while True:
            await workflow.wait_condition(lambda: bool(self._entries) or self._closing)
            if not self._entries:
                return
            batch = tuple(self._entries[:BATCH])
            try:
                await self._regions.call(analytics.RECORD, analytics.JournalBatch(entries=batch), _summary(batch))
            except FailureError:
                await workflow.sleep(RETRY_AFTER)
                continue
            del self._entries[: len(batch)]


def _summary(batch: tuple[JournalEntry, ...]) -> str:
    kinds = list(dict.fromkeys(entry.kind for entry in batch))
    return f"record {', '.join(kinds)}"[:200]
