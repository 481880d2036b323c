"""A prevention whose worker is killed goes on in another one, and each of its changes has happened once."""

from __future__ import annotations

import os
import signal

import pytest

from models.identity import Key
from models.prevention import Action
from models.prevention_run import PreventionPhase
from tests.processes.service import Service
from tests.saga.picture import picture
from tests.saga.preventions import run

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
    service.points.at(point, lambda pid: os.kill(pid, signal.SIGKILL))
    result = await run(service.temporal, service.world, Action.SHIFT, seconds=1)

    assert service.points.met == 1
    assert result.phase is PreventionPhase.UNDONE, result.sentence
    assert await picture(service.world) == before
    assert service.world.failures == []
    scope = service.world.scope(result.incident)
    for plane in (await service.world.directory.mesh(scope), await service.world.directory.platform(scope)):
        receipts = [Key.parse(receipt.key) for receipt in await plane.receipts(result.incident)]
        assert [key.action for key in receipts] == ["do", "undo"]
