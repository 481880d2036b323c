"""The floor of going on: two bare processes at a pool's settings, of which the one with the work in hand is killed."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from temporalio.client import Client, WorkflowHandle

from bench.bare_steps import QUEUE, BareSteps, Wait
from bench.killing import Killed, at_rest, holder, in_activity, in_task, kill
from workers.local.readiness import until
from workers.local.world import UP_WITHIN, SmallWorld
from workers.worker import TASK_TIMEOUT

Handle = WorkflowHandle[BareSteps, None]


class BarePool:
    """Each method kills once, measures, and has two processes again at its end."""

    def __init__(self, world: SmallWorld, client: Client, folder: Path) -> None:
        self._world, self._client = world, client
        self._hold = folder / "hold"
        self._log = world.processes.log("bare")
        self._started = 0
        self._number = count(1)

    async def start(self) -> None:
        for _ in range(2):
            await self._add()

    async def between(self) -> float:
        bare = await self._begin(local=False)
        await at_rest(bare)
        killed = kill(await holder(bare))
        await bare.signal(BareSteps.go)
        return await self._went_on(bare, killed)

    async def inside(self) -> float:
        self._hold.touch()
        bare = await self._begin(local=False)
        await bare.signal(BareSteps.go)
        killed = kill(await in_activity(bare))
        self._hold.unlink()
        return await self._went_on(bare, killed)

    async def local(self) -> float:
        self._hold.touch()
        bare = await self._begin(local=True)
        killed = kill(await in_task(bare))
        self._hold.unlink()
        return await self._went_on(bare, killed, marker=True)

    async def _begin(self, *, local: bool) -> Handle:
        return await self._client.start_workflow(
            BareSteps.run,
            args=[local, Wait(file=str(self._hold))],
            id=f"bench-bare-{next(self._number)}",
            task_queue=QUEUE,
            task_timeout=TASK_TIMEOUT,
        )

    async def _went_on(self, bare: Handle, killed: Killed, *, marker: bool = False) -> float:
        await bare.result()
        seconds = await killed.until_marker(bare) if marker else await killed.until_activity(bare)
        await self._add()
        return seconds

    async def _add(self) -> None:
        self._started += 1
        argv = [sys.executable, "-m", "bench.bare_worker", self._world.temporal]
        self._world.processes.start("bare", argv, self._world.environment)

        async def polling() -> bool:
            return self._log.read_text().count("polling") >= self._started

        await until(polling, UP_WITHIN, "a bare process polls")
