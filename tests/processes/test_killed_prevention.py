"""A prevention whose worker is killed goes on in another one, and each of its changes has happened once."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from activities.analytics.store import catalogs, open_store
from models.identity import Key, prevention_id
from models.prevention import Action
from models.prevention_run import PreventionPhase, PreventionResult
from models.queues import WORKFLOWS
from tests.processes.service import Service
from tests.saga.picture import picture
from tests.saga.preventions import argument, catalog
from workers.local.world import REGION
from workers.worker import TASK_TIMEOUT

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

POINTS = (
    "platform.change.v1 begins",
    "platform.change.v1 ends",
    "mesh.change.v1 ends",
    "mesh.undo.v1 ends",
    "platform.undo.v1 ends",
)


@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_any_change_it_is_done_and_undone_once(service: Service, point: str) -> None:
    before = await picture(service.world)
    pinned = catalog(service.world, "full")
    store = open_store(service.world.store)
    await asyncio.to_thread(catalogs.remember, store, pinned.digest, pinned.text)
    store.close()
    start = argument(service.world, Action.SHIFT, "full", seconds=1, catalogued=pinned)

    service.points.at(point, lambda pid: os.kill(pid, signal.SIGKILL))
    result = await service.temporal.execute_workflow(
        "Prevention",
        start,
        id=prevention_id(REGION, "payments"),
        task_queue=WORKFLOWS,
        task_timeout=TASK_TIMEOUT,
        result_type=PreventionResult,
    )

    assert service.points.met == 1
    assert result.phase is PreventionPhase.UNDONE, result.sentence
    assert await picture(service.world) == before
    assert service.world.failures == []
    scope = service.world.scope(start.incident)
    for plane in (await service.world.directory.mesh(scope), await service.world.directory.platform(scope)):
        receipts = [Key.parse(receipt.key) for receipt in await plane.receipts(start.incident)]
        assert [key.action for key in receipts] == ["do", "undo"]
