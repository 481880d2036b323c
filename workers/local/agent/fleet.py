"""The replicas that there are, brought to those that are wanted, again and again.

Events (a change, a death, a vacancy that falls due) wake the loop; a slow tick is there for what no event tells. What
is wanted is only ever read from the ledger.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from workers.ledger import Ledger
from workers.local.agent.converge import Standing, Vacancy, moves, vacancy, wanted_by_group
from workers.local.agent.discovery import Discovery
from workers.local.agent.launch import adopt, launch
from workers.local.agent.readiness import healthy
from workers.local.agent.replica import Replica
from workers.local.agent.rows import Group, Rows
from workers.observability import logs

TICK = 5.0
"""Seconds without an event after which the loop looks anyway."""
AGAIN = 1.0
"""Seconds until the ledger, which could not be used, is tried again."""
DISCOVERY_PATIENCE = 5.0
"""Seconds that a drain waits for the meshes to have had it."""

log = logs.logger(__name__)


class Fleet:
    """All replicas of one agent. ``adopt`` first, then ``run``; ``close`` leaves every replica running."""

    def __init__(
        self, ledger: Ledger, rows: Rows, discovery: Discovery, *, host: str, logs: Path, grace: float
    ) -> None:
        """*grace*: seconds between the meshes' knowing of a drain and the replica's being asked to end."""
        self._ledger, self._rows, self._discovery = ledger, rows, discovery
        self._host, self._logs, self._grace = host, logs, grace
        self._replicas: dict[str, Replica] = {}
        self._vacancies: defaultdict[Group, tuple[Vacancy, ...]] = defaultdict(tuple)
        self._tasks: set[asyncio.Task[None]] = set()
        self._event = asyncio.Event()
        self._converging = asyncio.Lock()
        self._stopping = False

    def poke(self) -> None:
        """Look now: what is wanted may have changed."""
        self._event.set()

    def ready(self, region: str, service: str, leaving: frozenset[str]) -> dict[str, int]:
        """Ready replicas by release, without those that are *leaving*."""
        counts: dict[str, int] = defaultdict(int)
        for replica in self._replicas.values():
            if (
                replica.ready
                and replica.row.id not in leaving
                and (replica.row.region, replica.row.service) == (region, service)
            ):
                counts[replica.row.release] += 1
        return dict(counts)

    async def adopt(self) -> None:
        """Take over the replicas of the agent before, and ask each whether it is ready before anybody is told."""
        for row in await asyncio.to_thread(adopt, self._rows):
            self._replicas[row.id] = Replica(row, self._host, 0, None)
        taken = tuple(self._replicas.values())
        answers = await asyncio.gather(*(healthy(self._host, replica.row.port) for replica in taken))
        for replica, answer in zip(taken, answers, strict=True):
            replica.heard(answer)
            self._task(self._attend(replica))
            if replica.draining:
                self._task(self._retire(replica))
        self._publish()
        log.info("replicas adopted", count=len(taken))

    async def run(self) -> None:
        """Converge until cancelled."""
        while True:
            self._event.clear()
            try:
                async with self._converging:
                    await self._converge()
                pause = self._until_next_vacancy()
            except sqlite3.OperationalError as error:
                log.error("the ledger cannot be used, nothing is started or drained until it can", error=str(error))
                pause = AGAIN
            try:
                async with asyncio.timeout(pause):
                    await self._event.wait()
            except TimeoutError:
                continue

    async def stop_all(self) -> int:
        """End every replica, without waiting for meshes; how many there were. Nothing is started afterwards."""
        self._stopping = True
        async with self._converging:
            replicas = tuple(self._replicas.values())
        for replica in replicas:
            replica.draining = True
        self._publish()
        await asyncio.gather(*(replica.end() for replica in replicas))
        with suppress(sqlite3.OperationalError):  # the next agent removes the rows of the dead
            for replica in replicas:
                await asyncio.to_thread(self._rows.remove, replica.row.id)
        return len(replicas)

    def close(self) -> None:
        """Stop attending; every replica lives on."""
        for task in self._tasks:
            task.cancel()
        for replica in self._replicas.values():
            replica.let_go()

    async def _converge(self) -> None:
        wanted = wanted_by_group(await asyncio.to_thread(self._ledger.resources))
        leaving = await asyncio.to_thread(self._rows.leaving)
        groups = wanted.keys() | {replica.row.group for replica in self._replicas.values()}
        for group in sorted(groups):
            standing = [
                Standing(replica.row.id, replica.ready, replica.row.id in leaving)
                for replica in self._replicas.values()
                if replica.row.group == group and not replica.draining
            ]
            now = moves(wanted.get(group, 0), standing, self._vacancies[group], time.monotonic())
            self._vacancies[group] = now.vacancies
            for leaving in now.drain:
                self._task(self._retire(self._replicas[leaving]))
            for deaths in now.start:
                await self._start(group, deaths)

    def _until_next_vacancy(self) -> float:
        due = [vacancy.due for vacancies in self._vacancies.values() for vacancy in vacancies]
        return max(0.0, min([*due, time.monotonic() + TICK]) - time.monotonic())

    async def _start(self, group: Group, deaths: int) -> None:
        if self._stopping:
            return
        how = (await asyncio.to_thread(self._rows.releases, group.service)).get(group.release)
        if how is None:
            log.error("replicas are wanted of a release that nobody has said how to run", **vars(group))
            return
        try:
            launched = await asyncio.to_thread(launch, self._rows, group, how, self._host, self._logs)
        except OSError as error:
            log.error("a replica could not be started", error=str(error), **vars(group))
            self._vacate(group, deaths, 0.0)
            return
        replica = self._replicas[launched.row.id] = Replica(launched.row, self._host, deaths, launched.child)
        log.info("replica started", replica=launched.row.id, **vars(group))
        self._publish()
        self._task(self._attend(replica))

    async def _attend(self, replica: Replica) -> None:
        """Ask whether it is ready for as long as it lives; then clear its place."""
        asking = asyncio.create_task(self._ask(replica))
        try:
            await replica.exited.wait()
        finally:
            asking.cancel()
        del self._replicas[replica.row.id]
        if not replica.draining:
            log.warning("replica died", replica=replica.row.id, **vars(replica.row.group))
            self._vacate(replica.row.group, replica.deaths, replica.ready_for)
        self._publish()
        self.poke()
        await self._record(self._rows.remove, replica)

    async def _ask(self, replica: Replica) -> None:
        while not replica.draining:
            before = replica.ready
            replica.heard(await healthy(self._host, replica.row.port))
            if replica.ready != before:
                log.info("replica ready" if replica.ready else "replica not ready", replica=replica.row.id)
                self._publish()
                self.poke()  # one that is leaving may have waited for this
            await asyncio.sleep(replica.readiness.interval)

    async def _retire(self, replica: Replica) -> None:
        """Tell the meshes, wait until they have had it and what was on its way has come, then end it."""
        serving = replica.ready_since is not None
        replica.draining = True
        version = self._publish()
        await self._record(self._rows.drain, replica)
        if serving:
            if not await self._discovery.had(version, DISCOVERY_PATIENCE):
                log.warning("a mesh did not come back for a drain", replica=replica.row.id)
            await asyncio.sleep(self._grace)
        await replica.end()
        log.info("replica ended", replica=replica.row.id, **vars(replica.row.group))

    async def _record(self, write: Callable[[str], None], replica: Replica) -> None:
        """Write to the replica's row, as soon as that is possible: what follows must not be lost to a full disk."""
        while True:
            try:
                return await asyncio.to_thread(write, replica.row.id)
            except sqlite3.OperationalError as error:
                log.error("a replica's row cannot be written", replica=replica.row.id, error=str(error))
                await asyncio.sleep(AGAIN)

    def _vacate(self, group: Group, deaths: int, ready_for: float) -> None:
        self._vacancies[group] += (vacancy(deaths, ready_for, time.monotonic()),)

    def _publish(self) -> int:
        return self._discovery.publish(tuple(self._replicas[id].listed for id in sorted(self._replicas)))

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("attending a replica failed", exc_info=error)
