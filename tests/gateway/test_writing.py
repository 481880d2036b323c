"""The queue of writes: what is critical goes first, small deliveries go together, and one that is broken goes alone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import PriorityQueue
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from activities.analytics.store import Store, deliveries, migrate, open_store
from activities.analytics.store.deliveries import Prepared
from models.alert import Alert, AlertStatus, Severity
from tests.postgres import Postgres
from workers.gateway.writing import THREADS, Writer

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = Postgres("fsync=off")  # no test cuts the power
    try:
        server.start()
        yield server
    finally:
        server.stop()


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


@pytest.fixture
def side_by_side(postgres: Postgres) -> Iterator[tuple[Store, Writer]]:
    """PostgreSQL admits several writers at a time."""
    store = open_store(postgres.new_schema())
    migrate(store)
    writer = Writer(store)
    yield store, writer
    writer.close()
    store.close()


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


async def test_a_write_that_is_first_passes_them_as_well(writer: Writer) -> None:
    done: list[str] = []
    async with held(writer):
        in_turn = asyncio.create_task(writer.write(partial(done.append, "in turn")))
        await asyncio.sleep(0)
        first = asyncio.create_task(writer.write(partial(done.append, "first"), first=True))
        await asyncio.sleep(0)
    await asyncio.gather(in_turn, first)
    assert done == ["first", "in turn"]


async def test_no_write_is_forgotten_while_several_are_done_side_by_side(
    side_by_side: tuple[Store, Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one thread takes out and puts back, because it does not go together with the rest, the others find."""
    store, writer = side_by_side
    put_back = threading.Event()
    put = PriorityQueue.put

    def slowly(queue: PriorityQueue[Any], item: Any, *more: Any) -> None:
        if threading.current_thread().name.startswith("store-writer"):
            put_back.set()
            time.sleep(0.3)  # as a thread that the system has put aside
        put(queue, item, *more)

    monkeypatch.setattr(PriorityQueue, "put", slowly)
    async with AsyncExitStack() as busy:
        for _ in range(THREADS):
            await busy.enter_async_context(held(writer))
        small = asyncio.create_task(writer.persist(delivery(store, "small"), first=False))
        await asyncio.sleep(0)
        large = asyncio.create_task(writer.write(lambda: "large"))
        await asyncio.sleep(0)
    done = await asyncio.wait_for(asyncio.gather(small, large), 5)
    assert done[1] == "large"
    assert put_back.is_set()


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
