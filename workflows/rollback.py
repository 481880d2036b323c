"""The rollback: runs the waves of any plan as one saga, with a gate behind each stage of each service.

Law 3: progress only between steps. Law 4: when a stage has failed, measured health decides whether to undo or to hold.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Literal

from temporalio import workflow
from temporalio.common import VersioningBehavior
from temporalio.exceptions import FailureError

from workflows.journal import Journal
from workflows.lane import ServiceLane
from workflows.locking import lock_request, unlock
from workflows.parent import tell_incident
from workflows.regions import Regions
from workflows.saga import Saga, describe
from workflows.trouble import Trouble
from workflows.words import Words

with workflow.unsafe.imports_passed_through():
    from activities.rollback import contract as rollback
    from models.hold import rolled_away
    from models.plan import Wave
    from models.point import before_change
    from models.rollback import Control, Held, RollbackResult, RollbackStart
    from models.scope import Scope


LOCK_PATIENCE = timedelta(minutes=10)

RollbackOutcome = Literal["done", "stale", "compensated", "aborted", "held"]
Ending = tuple[RollbackOutcome, str]


@workflow.defn(name="Rollback", versioning_behavior=VersioningBehavior.PINNED)
class RollbackWorkflow:
    """One rollback plan. Survives its parent; ends done, compensated, aborted or held, never in between.

    Whoever has a higher priority takes its locks over where it changes nothing: it then ends where it is.
    Pinned to the build of its incident, also when another one has become current in the meantime.
    """

    @workflow.init
    def __init__(self, start: RollbackStart) -> None:
        self._start = start
        self._plan = start.plan
        self._regions = Regions(start.region, start.peers, self._tell_silence)
        self._journal = Journal(start.incident, self._regions)
        self._saga = Saga(self._journal)
        self._words = Words()
        self._lanes = {
            one.state.service: ServiceLane(start, one, self._regions, self._journal, self._saga, self._words)
            for one in start.plan.services
        }
        self._granted = 0
        """Locks: it asks for one after the other, and so has those that it has asked for first."""

    @workflow.run
    async def run(self, start: RollbackStart) -> RollbackResult:
        body = asyncio.create_task(self._body())
        try:
            return await asyncio.shield(body)
        except asyncio.CancelledError:
            self._words.hear(Control(action="abort", by="Temporal", reason="the workflow was cancelled"))
            return await body

    @workflow.signal
    def lock_granted(self) -> None:
        """That it has asked for last. Without a word more, for the lock or the rollback may be of the build before."""
        self._granted += 1

    @workflow.signal
    def outranked(self, word: rollback.Outranked) -> None:
        self._words.hear_lock(word)

    @workflow.signal
    def control(self, word: Control) -> None:
        self._words.hear(word)

    async def _body(self) -> RollbackResult:
        self._journal.open()
        outcome, sentence = await self._locked_waves()
        unrecorded = await self._journal.hand_over()
        return RollbackResult(
            outcome=outcome,
            sentence=sentence,
            steps=self._saga.records,
            verdict=self._lanes[self._plan.first.state.service].health,
            contained_at=self._contained_at(),
            unrecorded=unrecorded,
        )

    async def _locked_waves(self) -> Ending:
        asked: list[rollback.LockRequest] = []
        try:
            ended = await self._lock(asked) or await self._waves()
        except FailureError as failure:
            ended = ("held" if self._saga.records else "compensated"), describe(failure)
        for request in reversed(asked):
            await unlock(request)
        return ended

    async def _lock(self, asked: list[rollback.LockRequest]) -> Ending | None:
        """In one order for everybody, so that no two rollbacks wait for each other. Notes what it has *asked* for."""
        for service in sorted(self._lanes):
            asked.append(lock_request(self._start.region, service, self._plan.priority))
            await self._regions.call(rollback.LOCK, asked[-1], f"lock {service}")
            if not await self._has(len(asked)):
                return "compensated", f"another rollback of {service} holds its lock; nothing was changed"
            if self._words.abort:
                return await self._abort(self._words.abort)
            if self._words.outranked:
                return self._give_way(self._words.outranked, "the rollback has not begun")
        return None

    async def _has(self, locks: int) -> bool:
        """Whether so many come in time, or are not needed any more because the rollback is called off."""
        try:
            await workflow.wait_condition(
                lambda: self._granted >= locks or self._words.called_off, timeout=LOCK_PATIENCE
            )
        except TimeoutError:
            return False
        return True

    async def _waves(self) -> Ending:
        check = await self._regions.call(
            rollback.PRECHECK, rollback.PrecheckRequest(**self._scope(), plan=self._plan), "is the plan still true?"
        )
        if not check.fresh:
            return "stale", check.sentence
        for one in self._plan.services:
            self._journal.record("point", before_change(one, self._start.incident, workflow.now()))
        for wave in self._plan.waves:
            while troubles := await self._run_wave(wave):
                if ended := await self._after_trouble(troubles):
                    return ended
        for one in self._plan.services:
            self._journal.record("release-held", rolled_away(one))
        back = ", ".join(f"{one.state.service} is back on {one.target}" for one in self._plan.services)
        return "done", f"{back} in {self._start.region}"

    async def _run_wave(self, wave: Wave) -> list[Trouble]:
        """Its lanes side by side, and what they have met. Each that has passed its last stage waits for the others, and
        when one has met trouble the others rest at their next boundary."""
        self._words.wave_stops = False
        found = await asyncio.gather(*(self._lanes[lane.service].run(lane.stages) for lane in wave.lanes))
        return [trouble for trouble in found if trouble and trouble.kind != "neighbour"]

    def _contained_at(self) -> datetime | None:
        """When traffic had left the last of the bad releases."""
        times = [lane.contained_at for lane in self._lanes.values()]
        return max(time for time in times if time) if all(times) else None

    async def _after_trouble(self, troubles: list[Trouble]) -> Ending | None:
        """What follows stages that did not pass. None: run them again."""
        if self._words.abort:
            return await self._abort(self._words.abort)
        sentence = "; ".join(trouble.sentence for trouble in troubles)
        kinds = {trouble.kind for trouble in troubles}
        if kinds <= {"unapproved", "outranked"}:
            if self._words.outranked:
                return self._give_way(self._words.outranked, sentence)
            return await self._hold(sentence) if "unapproved" in kinds else None
        moved = tuple(moved for lane in self._lanes.values() if (moved := lane.moved))
        if not moved:
            return await self._compensate("stale" if "stale" in kinds else "compensated", sentence)
        if "stale" in kinds:
            return self._leave(f"{sentence}. The plan was made for what was there before, so it cannot go on")
        decision = await self._decide(moved)
        sentence = f"{sentence}. {decision.sentence}"
        if decision.action == "hold":
            return await self._hold(sentence)
        return await self._compensate("compensated", sentence)

    async def _decide(self, moved: tuple[rollback.Moved, ...]) -> rollback.Decision:
        request = rollback.DecisionRequest(**self._scope(), moved=moved)
        try:
            return await self._regions.call(rollback.DECIDE, request, "undo or hold? measured health decides")
        except FailureError as failure:
            return rollback.Decision(action="hold", sentence=f"Health could not be measured: {describe(failure)}")

    async def _hold(self, reason: str) -> Ending | None:
        """Wait at this stage boundary for a person: retry runs the stage again, abort undoes."""
        self._words.forget_retry()
        await tell_incident(Held(reason=reason))
        if not await self._words.retry(self._start.hold_timeout):
            return "held", reason
        await tell_incident(Held(reason=None))
        if self._words.abort:
            return await self._abort(self._words.abort)
        return self._give_way(self._words.outranked, reason) if self._words.outranked else None

    def _give_way(self, to: rollback.LockRequest, where: str) -> Ending:
        """Law 1: nothing is undone that the other one may build on, and every receipt of it stays."""
        sentence = (
            f"{where}: {to.holder} has priority {to.priority} over {self._plan.priority} and took {to.service} over"
        )
        return self._leave(sentence) if self._saga.unsettled else ("stale", f"{sentence}; nothing was changed")

    def _leave(self, sentence: str) -> Ending:
        """End where it is. Its incident is held and, tried again, plans for the world as it is."""
        left = ", ".join(self._saga.unsettled)
        undo = f"once the incident has ended, `sternway undo {self._start.incident}` takes back what is still its own"
        return "held", f"{sentence}. Not taken back: {left}; {undo}"

    async def _abort(self, word: Control) -> Ending:
        return await self._compensate("aborted", f"aborted by {word.by}: {word.reason}")

    async def _compensate(self, outcome: RollbackOutcome, reason: str) -> Ending:
        troubles = await self._saga.compensate()
        if troubles:
            return "held", f"{reason}; undone but for: {'; '.join(troubles)}"
        return outcome, f"{reason}; everything that had been changed is undone"

    async def _tell_silence(self, reason: str | None) -> None:
        await tell_incident(Held(reason=reason, for_person=False))

    def _scope(self) -> dict[str, str]:
        return {name: getattr(self._start, name) for name in Scope.model_fields}
