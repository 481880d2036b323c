"""The prevention: does what a prediction advises, within its policy, keeps it for the horizon, and takes it back.

It has the lock of its service with the lowest priority, and acts while no incident of the service runs. Where one
begins, or a rollback wants the lock, it leaves what it has done to them: law 1, nothing is undone under their hands.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import VersioningBehavior
from temporalio.exceptions import ApplicationError, FailureError

from workflows.acting import Acting
from workflows.journal import Journal
from workflows.locking import lock_request, unlock
from workflows.regions import Regions
from workflows.saga import describe
from workflows.search import PHASE, REGION, SERVICE, tag
from workflows.words import PLAN, Words

with workflow.unsafe.imports_passed_through():
    from activities.prevention import contract as prevention
    from activities.rollback import contract as rollback
    from models.catalog import PreventionLevel
    from models.incident import Approval
    from models.prevention import Action, Option
    from models.prevention_run import (
        Measures,
        PreventionActs,
        PreventionPhase,
        PreventionResult,
        PreventionStart,
        PreventionState,
        stricter,
    )
    from models.rollback import Control
    from models.scope import Scope

LOWEST = -1
"""Its priority at the lock: below that of every rollback."""

LOCK_PATIENCE = timedelta(seconds=10)
"""Whoever has the lock for longer rolls back, and that goes first."""

LOOK_EVERY = 15.0
"""Seconds between two looks whether an incident has begun, which nobody may have told."""

Ending = tuple[PreventionPhase, str]


@workflow.defn(name="Prevention", versioning_behavior=VersioningBehavior.PINNED)
class PreventionWorkflow:
    """One preventive action. Its id is that of its service in its region, so that there is one at a time."""

    @workflow.init
    def __init__(self, start: PreventionStart) -> None:
        self._start = start
        self._scope = Scope(incident=start.incident, region=start.region, service=start.service, catalog=start.catalog)
        self._regions = Regions(start.region, start.peers, self._on_silence)
        self._journal = Journal(start.incident, self._regions)
        self._words = Words()
        self._acting = Acting(self._scope, start.policy, self._regions, self._journal, self._words, self._show_details)
        self._phase, self._sentence = PreventionPhase.LOOKING, ""
        self._option: Option | None = start.option
        self._lock = lock_request(start.region, start.service, LOWEST)
        self._level: PreventionLevel = start.rules.level
        """The stricter one of what it was begun with and what the catalog says now."""
        self._granted = False
        self._first: str | None = None
        """Workflow id of a rollback or an incident that goes first; it stays so, should it be over soon."""
        self._kept_until: datetime | None = None
        self._over = False

    @workflow.run
    async def run(self, start: PreventionStart) -> PreventionResult:
        body = asyncio.create_task(self._body())
        try:
            return await asyncio.shield(body)
        except asyncio.CancelledError:
            self._words.hear(Control(action="abort", by="Temporal", reason="the workflow was cancelled"))
            return await body

    async def _body(self) -> PreventionResult:
        self._journal.record("prevention-started", {**dict(self._start), "workflow": workflow.info().workflow_id})
        self._journal.open()
        tag({SERVICE: self._start.service, REGION: self._start.region})
        try:
            phase, sentence = await self._prevent()
        except FailureError as failure:  # before anything was changed: from then on the lock is held
            phase, sentence = PreventionPhase.FAILED, f"{describe(failure)}; nothing was changed"
        self._over = True
        self._enter(phase, sentence)
        result = PreventionResult(
            incident=self._start.incident,
            phase=phase,
            sentence=sentence,
            action=self._option.action if self._option else None,
            steps=self._acting.steps,
        )
        self._journal.record("prevention-ended", result)
        await self._journal.close()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return result

    async def _prevent(self) -> Ending:
        if self._option is None:
            advised = self._start.prevention.advised
            phase = PreventionPhase.ADVISED if advised else PreventionPhase.DECLINED
            return phase, self._start.prevention.sentence
        await self._look()
        measures = await self._measures(self._option)
        self._level = stricter(self._level, measures.level)
        if self._level == "advise":
            return PreventionPhase.ADVISED, measures.sentence
        if measures.cannot:
            return PreventionPhase.DECLINED, measures.cannot
        if self._level == "approve" and not await self._approved(measures):
            seconds = self._start.rules.approval_timeout
            return PreventionPhase.NOT_APPROVED, f"nobody approved it in {seconds:g} s: {measures.sentence}"
        if self._stops:
            return await self._settled()
        if self._option.action is Action.ROLL_BACK:
            return await self._raise(self._option, measures)
        await self._regions.call(rollback.LOCK, self._lock, f"lock {self._start.service}")
        try:
            return await self._has_lock() or await self._act(self._option, measures)
        except FailureError as failure:
            return await self._settled(describe(failure))
        finally:
            await unlock(self._lock)

    async def _measures(self, option: Option) -> Measures:
        request = prevention.MeasuresRequest(
            **self._scope.model_dump(),
            action=option.action,
            dollars=option.cost or 0,
            because=self._start.risk.sentence,
        )
        return await self._regions.call(prevention.MEASURES, request, f"what is {option.action} here and now?")

    async def _approved(self, measures: Measures) -> bool:
        """Whether it comes in time, or is not needed any more. What was approved is what is run: where the world moves
        in the meantime, the first change is refused."""
        seconds = self._start.rules.approval_timeout
        self._enter(PreventionPhase.AWAITING_APPROVAL, f"{measures.sentence}; without an approval in {seconds:g} s not")
        try:
            await workflow.wait_condition(lambda: PLAN in self._words.approved or self._stops, timeout=seconds)
        except TimeoutError:
            return PLAN in self._words.approved
        return True

    async def _has_lock(self) -> Ending | None:
        """None: it has, and nothing goes first."""
        try:
            await workflow.wait_condition(lambda: self._granted or self._stops, timeout=LOCK_PATIENCE)
        except TimeoutError:
            return PreventionPhase.DECLINED, f"a rollback of {self._start.service} has its lock; nothing was changed"
        await self._look()
        return await self._settled() if self._stops else None

    async def _act(self, option: Option, measures: Measures) -> Ending:
        self._begin_to_act(option, measures)
        if trouble := await self._acting.make(measures, lambda: self._stops):
            return await self._settled(trouble)
        if self._stops:
            return await self._settled()
        if option.action is Action.RESTART:
            self._acting.settle("a fresh replica serves in the place of the old one")
            return PreventionPhase.DONE, measures.sentence
        await self._keep(measures)
        return await self._settled()

    def _begin_to_act(self, option: Option, measures: Measures) -> None:
        """It counts for the budget from here on, whatever becomes of it."""
        self._enter(PreventionPhase.ACTING, measures.sentence)
        acts = PreventionActs(
            region=self._start.region,
            service=self._start.service,
            action=option.action,
            dollars=option.cost or 0,
            seconds=0 if option.action is Action.RESTART else self._start.seconds,
        )
        self._journal.record("prevention-acts", acts)

    async def _keep(self, measures: Measures) -> None:
        self._kept_until = workflow.now() + timedelta(seconds=self._start.seconds)
        self._enter(PreventionPhase.KEEPING, measures.sentence)
        while not self._stops and (left := (self._kept_until - workflow.now()).total_seconds()) > 0:
            try:
                await workflow.wait_condition(lambda: self._stops, timeout=min(left, LOOK_EVERY))
            except TimeoutError:
                await self._look()
        self._kept_until = None

    async def _settled(self, trouble: str | None = None) -> Ending:
        """What follows once it is over, or cannot go on. *trouble*: what has failed.

        Nothing is taken back from under the hands of an incident that has begun since the last look.
        """
        if self._acting.unsettled:
            await self._look()
        if self._first is not None:
            return await self._hand_over(self._first, trouble)
        if trouble is not None:
            return await self._take_back(PreventionPhase.FAILED, trouble)
        if said := self._words.abort:
            return await self._take_back(PreventionPhase.ABORTED, f"aborted by {said.by}: {said.reason}")
        return await self._take_back(PreventionPhase.UNDONE, f"kept for {self._start.seconds:g} s")

    async def _hand_over(self, first: str, trouble: str | None) -> Ending:
        why = f"{trouble}; {first} goes first" if trouble else f"{first} goes first"
        if not (left := self._acting.unsettled):
            return PreventionPhase.DECLINED, f"{why}; nothing was changed"
        await self._acting.leave()
        undo = f"`sternway undo {self._start.incident}` takes back what is still its own"
        return PreventionPhase.HANDED_OVER, f"{why} and has what was done: {left}; {undo}"

    async def _take_back(self, phase: PreventionPhase, why: str) -> Ending:
        if not self._acting.unsettled:
            return phase, f"{why}; nothing is to be undone"
        self._enter(PreventionPhase.UNDOING, why)
        troubles = await self._acting.take_back()
        if troubles:
            return PreventionPhase.HELD, f"{why}; undone but for: {'; '.join(troubles)}"
        return phase, f"{why}; everything that had been changed is undone"

    async def _raise(self, option: Option, measures: Measures) -> Ending:
        """The gateway begins the incident, with all that belongs to it: its level and approvals decide what it does."""
        self._begin_to_act(option, measures)
        because = f"predicted: {self._start.risk.sentence}"
        request = prevention.RaiseRequest(**self._scope.model_dump(), decided_at=workflow.now(), because=because)
        raised = await self._regions.call(prevention.RAISE, request, "begin an incident")
        return PreventionPhase.HANDED_OVER, f"alert {raised.alert} begins an incident of {self._start.service}"

    async def _look(self) -> None:
        """Whether an incident runs. That nobody can say is no reason to undo what was done for the service."""
        try:
            found = await self._regions.call(prevention.INCIDENT, self._scope, "does an incident run?")
        except FailureError as unknown:
            if not self._acting.unsettled:
                raise
            workflow.logger.warning("whether an incident runs is not known: %s", describe(unknown))
            return
        self._first = self._first or found.workflow

    @property
    def _stops(self) -> bool:
        return self._words.abort is not None or self._first is not None

    async def _on_silence(self, reason: str | None) -> None:
        self._sentence = reason or self._sentence
        self._show_details()

    def _enter(self, phase: PreventionPhase, sentence: str) -> None:
        self._phase, self._sentence = phase, sentence
        self._journal.record("prevention-phase", {"phase": phase, "detail": sentence})
        tag({PHASE: phase})
        self._show_details()

    def _show_details(self) -> None:
        workflow.set_current_details(f"**{self._phase}** {self._sentence}\n\n{self._acting.sentence}")

    # What people, the lock and the gateway say

    @workflow.signal
    def lock_granted(self) -> None:
        self._granted = True

    @workflow.signal
    def outranked(self, word: rollback.Outranked) -> None:
        if word.by:
            self._words.hear_lock(word)
            self._first = word.by.holder

    @workflow.update
    async def approve(self, word: Approval) -> str:
        """Let it be done. Said again, it changes nothing."""
        self._hear(Control(action="approve", by=word.by, reason=word.reason, stage=PLAN))
        return "approved"

    @approve.validator
    def _may_approve(self, word: Approval) -> None:
        if self._phase is not PreventionPhase.AWAITING_APPROVAL and PLAN not in self._words.approved:
            _refuse(f"the prevention is {self._phase} and waits for no approval")

    @workflow.update
    async def abort(self, word: Approval) -> str:
        """Stop at the next step and undo everything."""
        self._hear(Control(action="abort", by=word.by, reason=word.reason))
        return "aborting"

    @abort.validator
    def _may_abort(self, word: Approval) -> None:
        if self._over:
            _refuse(f"the prevention has ended: it is {self._phase}")

    @workflow.query
    def state(self) -> PreventionState:
        return PreventionState(
            incident=self._start.incident,
            workflow=workflow.info().workflow_id,
            region=self._start.region,
            service=self._start.service,
            level=self._level,
            phase=self._phase,
            sentence=self._sentence,
            action=self._option.action if self._option else None,
            kept_until=self._kept_until,
            steps=self._acting.steps,
        )

    def _hear(self, word: Control) -> None:
        if word.action == "approve" and PLAN in self._words.approved:
            return
        self._journal.record("operator", {"action": word.action, "by": word.by, "reason": word.reason})
        self._words.hear(word)


def _refuse(why: str) -> None:
    raise ApplicationError(why, type="Refused", non_retryable=True)
