"""The queue of writes: what is critical goes first, small deliveries go together, and one that is broken goes alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from activities.analytics.store import Store, deliveries, migrate, open_store
from activities.analytics.store.deliveries import Prepared
from models.alert import Alert, AlertStatus, Severity
from workers.gateway.writing import Writer

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(store)
    yield store
    store.close()


@pytest.fixture
def writer(store: Store) -> Iterator[Writer]:
    writer = Writer(store)
    yield writer
    writer.close()


def delivery(store: Store, digest: str, **changed: object) -> Prepared:
    alert = Alert(
        source="alertmanager",
        fingerprint=digest,
        status=AlertStatus.FIRING,
        severity=Severity.WARNING,
        service="payments",
        region="eu",
        group="g",
        name="n",
        starts_at=NOW,
    )
    return deliveries.prepare(store, "alertmanager", b"", digest, NOW, [alert.model_copy(update=changed)])


@asynccontextmanager
async def held(writer: Writer) -> AsyncGenerator[None]:
    """While it is entered the writer is busy, and what it is asked for waits."""
    busy, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        busy.set()
        go_on.wait(10)

    holding = asyncio.create_task(writer.write(hold))
    await asyncio.to_thread(busy.wait, 10)
    yield
    go_on.set()
    await holding


async def test_what_is_first_passes_what_waits_for_its_turn(store: Store, writer: Writer) -> None:
    async with held(writer):
        waiting = [asyncio.create_task(writer.persist(delivery(store, f"f{n}"), first=False)) for n in range(3)]
        await asyncio.sleep(0)
        first = asyncio.create_task(writer.persist(delivery(store, "critical"), first=True))
        await asyncio.sleep(0)
    kept = await first
    assert all([kept.alert_ids < (await one).alert_ids for one in waiting])


async def test_small_deliveries_that_wait_are_stored_together_and_a_repeat_among_them_once(
    store: Store, writer: Writer
) -> None:
    assert deliveries.pending(store) == []
    commits = 0

    def count(_: object) -> None:
        nonlocal commits
        commits += 1

    async with held(writer):
        event.listen(store.engine, "commit", count)
        names = ["a", "b", "a", "c"]
        waiting = [asyncio.create_task(writer.persist(delivery(store, name), first=False)) for name in names]
        await asyncio.sleep(0)
    kept = await asyncio.gather(*waiting)
    assert commits == 1
    assert [one.duplicate for one in kept] == [False, False, True, False]
    assert kept[2].alert_ids == kept[0].alert_ids
    assert [stored.alert.fingerprint for stored in deliveries.pending(store)] == ["a", "b", "c"]


async def test_one_that_cannot_be_stored_takes_no_other_with_it(store: Store, writer: Writer) -> None:
    async with held(writer):
        broken = asyncio.create_task(writer.persist(delivery(store, "broken", name=None), first=False))
        whole = asyncio.create_task(writer.persist(delivery(store, "whole"), first=False))
        await asyncio.sleep(0)
    with pytest.raises(IntegrityError):
        await broken
    assert not (await whole).duplicate
    assert [stored.alert.fingerprint for stored in deliveries.pending(store)] == ["whole"]
