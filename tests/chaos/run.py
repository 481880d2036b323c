"""One case in one world: the alert, what happens at the point, what a person says, and what is left at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from activities.analytics.store import audit
from activities.analytics.store.incidents import StoredIncident, steps
from activities.rollback.contract import lock_id
from models.tables import metadata
from tests.chaos.case import Case, Scenario
from tests.chaos.judge import Seen, wrongs
from tests.chaos.point import Point
from tests.chaos.world import ChaosWorld, Picture
from workers.local.world import REGION

WITHIN = 100.0
"""Seconds from the alert to the end of its incident."""

QUIET_WITHIN = 15.0
"""Seconds until everything is up and settled after the incident's end."""

MOST_HOLDS = 3


@dataclass(frozen=True)
class Result:
    """What came of a case."""

    came_to: str
    """``recovered``, ``undone``, ``held`` (by somebody else's change), ``not reached`` or ``wrong``."""
    holds: tuple[str, ...]
    wrongs: tuple[str, ...]
    seconds: float


async def trace(world: ChaosWorld, scenario: Scenario, group: str) -> tuple[list[Point], Picture]:
    """The points to which an undisturbed run comes, in their order, and what it leaves behind."""
    run = _Run(world, scenario, None, group)
    await run.through()
    assert bool(run.holds) is bool(scenario.refused), f"an undisturbed run was held: {run.holds}"
    assert run.ended and run.ended.phase == scenario.ends, f"an undisturbed run ended {run.ended}"
    assert run.ended.strategy == scenario.subject.strategy, f"it was rolled back by {run.ended.strategy}"
    return run.points, await world.picture()


async def run_case(world: ChaosWorld, case: Case, recovered: Picture, group: str) -> Result:
    began = time.monotonic()
    run = _Run(world, case.scenario, case, group)
    try:
        await run.through()
        seen = await run.seen(recovered)
    except Exception as failure:  # noqa: BLE001 -- whatever it is, this case has not shown what it was to show
        return Result("wrong", tuple(run.holds), (str(failure) or repr(failure),), time.monotonic() - began)
    found = (*run.failures, *wrongs(seen))
    came_to = {"resolved": "recovered", "aborted": "undone"}.get(seen.phase, seen.phase)
    if not run.struck and not run.failures:
        came_to = "not reached"
    return Result("wrong" if found else came_to, seen.holds, found, time.monotonic() - began)


class _Run:
    def __init__(self, world: ChaosWorld, scenario: Scenario, case: Case | None, group: str) -> None:
        self._world, self._scenario, self._case, self._group = world, scenario, case, group
        self.points: list[Point] = []
        self.struck = False
        self.holds: list[str] = []
        self.ended: StoredIncident | None = None
        self.failures: list[str] = []
        """Why the fault did not strike, or the person's word was not heard."""
        self._word: asyncio.Task[None] | None = None

    async def through(self) -> None:
        """From the alert to the incident's end."""
        await self._world.set_up(self._scenario.subject, self._case.fault.clock_of if self._case else None)
        if self._scenario.refused:
            self._world.refuse(self._scenario.refused)
        self.before, self._generations = await self._world.picture(), await self._world.generations()
        self._world.met = self._met
        try:
            await self._world.alert(self._group)
            await self._until_ended()
        finally:
            self._world.met = None
            if self._word:
                self._word.cancel()

    async def _met(self, point: Point) -> None:
        self.points.append(point)
        if self._case and point == self._case.point:
            try:
                await self._case.fault.strike(self._world, point)
            except Exception as failure:  # noqa: BLE001 -- who stands at the point goes on, and the case has failed
                self.failures.append(f"the fault did not strike: {failure!r}")
            self.struck = True
        if point.name == self._scenario.abort_at:
            self._word = self._word or asyncio.create_task(self._abort())
            await asyncio.wait([self._word])  # else the gate might pass before the word is heard

    async def _abort(self) -> None:
        try:
            [incident] = await self._incidents()
            await self._world.say(incident.id, "abort")
        except Exception as failure:  # noqa: BLE001 -- nobody awaits this task, and the case has failed
            self.failures.append(f"the abort was not heard: {failure!r}")

    async def _until_ended(self) -> None:
        deadline = time.monotonic() + WITHIN
        while time.monotonic() < deadline:
            found = await self._incidents()
            self.ended = next((one for one in found if one.ended_at), None)
            if self.ended:
                return
            for held in found:
                if held.phase == "held" and (not self.holds or self.holds[-1] != held.detail):
                    await self._answer_a_hold(held)
            await asyncio.sleep(0.05)
        states = ", ".join(f"{one.phase} {one.detail}" for one in await self._incidents())
        raise AssertionError(f"the incident did not end within {WITHIN:g} s: {states or 'nothing was recorded of it'}")

    async def _answer_a_hold(self, held: StoredIncident) -> None:
        assert held.detail, "it is held, and nobody knows where"
        self.holds.append(held.detail)
        assert len(self.holds) <= MOST_HOLDS, f"held again and again: {self.holds}"
        for wire in self._world.wires.values():
            wire.mishaps.clear()
        await self._world.say(held.id, self._case.at_hold if self._case else self._scenario.at_hold)

    async def _incidents(self) -> list[StoredIncident]:
        return await self._world.recorded()

    async def seen(self, recovered: Picture) -> Seen:
        """What is there once every part is up again and nothing moves any more."""
        world = self._world
        await world.whole()
        assert self.ended
        await self._settled(self.ended.id)
        found = await self._incidents()
        ready, processes = await world.replicas()
        generations = await world.generations()
        recorded = await asyncio.to_thread(steps, world.journal, self.ended.id)
        chains = await asyncio.to_thread(audit.verify, world.journal, self.ended.id)
        return Seen(
            incidents=len(found),
            phase=self.ended.phase,
            expected=self._case.ends if self._case and self.struck else self._scenario.ends,
            sentence=self.ended.sentence,
            holds=tuple(self.holds),
            before=self.before,
            after=await world.picture(),
            recovered=recovered,
            receipts=world.receipts(self.ended.id),
            moved={part: generations[part] - self._generations[part] for part in generations},
            others={part: int(world.meddled is not None and world.meddled.part == part) for part in generations},
            recorded=tuple(receipt.key for step in recorded for receipt in step.receipts),
            leases=len(await world.leases(self.ended.id)),
            wishes=len(await world.wishes(self.ended.id)),
            replicas_ready=ready,
            processes=processes,
            replicas_wanted=await world.wanted(),
            running=await self._running(found),
            broken_chains=tuple(str(broken) for broken in chains.broken),
            unconfirmed=await world.unconfirmed(),
            answering=await world.answering(),
            serving=await world.serving(),
            answers_lost=self._case is not None and self._case.fault.loses_answers,
            alert_states=await asyncio.to_thread(self._alert_states),
            meddling_stands=await world.meddling_stands(),
            meddled=world.meddled is not None,
        )

    async def _settled(self, incident: str) -> None:
        """A lease lapses, a replica starts or ends, a proxy reconnects, a lock notices that nobody holds it."""
        deadline = time.monotonic() + QUIET_WITHIN
        while time.monotonic() < deadline:
            wanted, (ready, processes) = await self._world.wanted(), await self._world.replicas()
            quiet = ready == wanted and processes == sum(wanted.values()) and not await self._world.unconfirmed()
            leased = await self._world.leases(incident) or await self._world.wishes(incident)
            if quiet and not leased and not await self._running(await self._incidents()):
                return
            await asyncio.sleep(0.1)

    async def _running(self, found: Sequence[StoredIncident]) -> tuple[str, ...]:
        subject = self._scenario.subject
        names = [name for one in found for name in (one.workflow, f"rollback:{one.id}:{subject.troubled}")]
        locks = [lock_id(REGION, service) for service in subject.services]
        return tuple([name for name in (*names, *locks) if await self._world.running(name)])

    def _alert_states(self) -> tuple[str, ...]:
        alerts = metadata.tables["alerts"]
        with self._world.journal.read() as connection:
            query = select(alerts.c.state).where(alerts.c.fingerprint == self._group)
            return tuple(str(state) for state in connection.execute(query).scalars())
