"""The incident: protect, assess, plan, execute, verify, lift, resolve - one durable workflow from alert to recovery."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.common import VersioningBehavior
from temporalio.exceptions import ApplicationError, FailureError

from workflows.alerts import Alerts
from workflows.assessment import assess
from workflows.execution import Execution
from workflows.journal import Journal
from workflows.protection import Protection
from workflows.regions import Regions
from workflows.saga import Saga, describe
from workflows.search import PHASE, REGION, RELEASE, SERVICE, SEVERITY, STRATEGY, tag
from workflows.trouble import ABORT_ASKED, Trouble

with workflow.unsafe.imports_passed_through():
    from activities.rollback import contract as rollback
    from models.alert import AlertReference
    from models.assessment import Assessment
    from models.catalog import Level
    from models.incident import Approval, IncidentResult, IncidentStart, IncidentState, Milestone, Phase
    from models.plan import Plan
    from models.rollback import Control, Held
    from models.scope import Scope

MAX_PLANS = 3
"""A plan whose world has moved is made anew so often, then a person is asked (law 7)."""

NAMED = 20
"""Fingerprints of joined alerts in one entry of the journal; a storm's are counted, and the store has them all."""


@workflow.defn(name="Incident", versioning_behavior=VersioningBehavior.PINNED)
class IncidentWorkflow:
    """Its id is the correlation key, so that alerts of one trouble meet here; its ULID comes in the argument."""

    @workflow.init
    def __init__(self, start: IncidentStart) -> None:
        self._start = start
        self._scope = Scope(incident=start.incident, region=start.region, service=start.service, catalog=start.catalog)
        self._regions = Regions(start.region, start.peers, self._on_silence)
        self._journal = Journal(start.incident, self._regions)
        self._saga = Saga(self._journal)
        self._protection = Protection(self._scope, start.policy.lease, self._regions, self._saga)
        self._execution = Execution(start, self._scope, self._regions, self._journal, self._protection)
        self._phase = Phase.PROTECTING
        self._alerts = Alerts(start.severity, start.alerts)
        self._milestones: dict[str, datetime] = {}
        self._assessment: Assessment | None = None
        self._plan: Plan | None = None
        self._hold: str | None = None
        self._held_in = Phase.PROTECTING
        self._approved = False
        self._resumed = False
        self._abort: Approval | None = None
        self._over = False

    @workflow.run
    async def run(self, start: IncidentStart) -> IncidentResult:
        body = asyncio.create_task(self._body())
        try:
            return await asyncio.shield(body)
        except asyncio.CancelledError:
            await self._stop(Approval(by="Temporal", reason="the workflow was cancelled"))
            return await body

    async def _body(self) -> IncidentResult:
        self._journal.record("incident-started", {**dict(self._start), "workflow": workflow.info().workflow_id})
        self._reach(Milestone.RECEIVED, self._start.received_at)
        self._note_phase()
        await self._protect()
        # Not before: the first task has nothing to do but to protect, and whatever else it carried would come first.
        self._journal.open()
        tag({SERVICE: self._start.service, REGION: self._start.region, SEVERITY: self._alerts.severity})
        ended: tuple[Phase, str] | None = None
        while ended is None:
            ended = await self._attempt()
        return await self._end(*ended)

    # From protection to recovery

    async def _protect(self) -> None:
        if self._start.level is Level.ADVISE or not self._start.modules.breaker:
            return
        if await self._protection.take():
            self._reach(Milestone.PROTECTED)

    async def _attempt(self) -> tuple[Phase, str] | None:
        """Assess, plan and execute once. None: a person asked to try again."""
        trouble: Trouble | None = None
        try:
            for _ in range(MAX_PLANS):
                if self._execution.under_way:
                    plan = self._plan
                else:
                    plan = await self._unless_aborted(self._assess_and_plan())
                if plan is None:
                    break
                if self._start.level is Level.ADVISE:
                    return Phase.ADVISED, self._advice(plan)
                trouble = await self._run(plan)
                if trouble is None:
                    return Phase.RESOLVED, f"{self._start.service} in {self._start.region} is verified healthy"
                if not trouble.stale:
                    break
        except FailureError as failure:
            trouble = Trouble(describe(failure))
        if self._abort:
            return await self._aborted()
        return await self._wait_for_person(trouble.sentence if trouble else "nothing was done")

    async def _unless_aborted(self, work: Coroutine[Any, Any, Plan]) -> Plan | None:
        """The plan, or none once a person has aborted: nothing is changed while it is made, so it may be cut off."""
        working = asyncio.create_task(work)
        aborted = asyncio.create_task(workflow.wait_condition(lambda: self._abort is not None))
        await workflow.wait([working, aborted], return_when=asyncio.FIRST_COMPLETED)
        aborted.cancel()
        if working.done():
            return await working
        working.cancel()
        with suppress(asyncio.CancelledError, FailureError):
            await working
        return None

    async def _assess_and_plan(self) -> Plan:
        self._enter(Phase.ASSESSING)
        self._assessment = await assess(self._start, self._scope, self._regions)
        self._journal.record("assessment", self._assessment)
        self._enter(Phase.PLANNING)
        request = rollback.PlanRequest(
            **self._scope.model_dump(), assessment=self._assessment, protected=self._protection.active
        )
        plan = await self._regions.call(rollback.PLAN, request, f"plan the recovery of {self._start.service}")
        self._plan = plan
        self._approved = False
        self._reach(Milestone.PLANNED)
        chosen = plan.rollback
        self._journal.record(
            "plan",
            {
                **dict(plan),
                "hash": plan.hash,
                "strategy": chosen.strategy if chosen else None,
                "target": chosen.first.target if chosen else None,
            },
        )
        if chosen:
            tag({STRATEGY: chosen.strategy, RELEASE: chosen.first.bad})
        return plan

    async def _run(self, plan: Plan) -> Trouble | None:
        if plan.hold:
            return Trouble(plan.hold)
        if not (self._start.modules.rollback and self._start.modules.mesh):
            return Trouble("the plan needs the modules rollback and mesh, and one of them is switched off")
        needs_person = self._start.level is Level.PROTECT or self._start.policy.approval == "always"
        if needs_person and not self._approved and not await self._wait_for_approval():
            return Trouble("nobody approved the plan in time")
        if self._abort:
            return ABORT_ASKED
        self._enter(Phase.EXECUTING)
        trouble = await self._execution.run(plan, self._reach, self._enter)
        if trouble is None:
            self._reach(Milestone.RECOVERED)
        return trouble

    async def _wait_for_approval(self) -> bool:
        self._enter(Phase.AWAITING_APPROVAL)
        try:
            await workflow.wait_condition(
                lambda: self._approved or self._abort is not None, timeout=self._start.policy.approval_timeout
            )
        except TimeoutError:
            return False
        return True

    async def _wait_for_person(self, reason: str) -> tuple[Phase, str] | None:
        """Held: protection goes on until a person resumes or aborts, or the hold's own time is over."""
        self._enter_hold(reason)
        self._resumed = False
        try:
            await workflow.wait_condition(
                lambda: self._resumed or self._abort is not None, timeout=self._start.policy.hold_timeout
            )
        except TimeoutError:
            self._protection.stop_renewing()
            return Phase.HELD, reason
        self._leave_hold()
        return await self._aborted() if self._abort else None

    async def _on_silence(self, reason: str | None) -> None:
        """Nobody acts for the region, or somebody does again."""
        if reason is not None:
            self._enter_hold(reason)
        else:
            self._leave_hold()

    async def _aborted(self) -> tuple[Phase, str]:
        asked = self._abort
        assert asked is not None  # noqa: S101 -- the only callers have looked
        troubles = await self._saga.compensate()
        sentence = f"aborted by {asked.by}: {asked.reason or 'no reason given'}"
        if troubles or self._execution.unfinished:
            return Phase.HELD, "; ".join((sentence, *troubles, *self._execution.unfinished))
        return Phase.ABORTED, sentence

    async def _end(self, phase: Phase, sentence: str) -> IncidentResult:
        self._over = True
        self._enter(phase, sentence)
        self._reach(Milestone.ENDED)
        chosen = self._plan.rollback if self._plan else None
        result = IncidentResult(
            incident=self._start.incident,
            phase=phase,
            sentence=sentence,
            strategy=chosen.strategy if chosen else None,
            target=chosen.first.target if chosen else None,
            verdict=self._execution.verdict,
            steps=self._saga.records + self._execution.steps,
            milestones=self._milestones,
        )
        self._journal.record("incident-ended", result)
        await self._journal.close()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return result

    def _advice(self, plan: Plan) -> str:
        return plan.hold or " · ".join(plan.preview)

    # Where it stands

    def _enter(self, phase: Phase, detail: str = "") -> None:
        self._phase = phase
        self._note_phase(detail)
        tag({PHASE: phase})
        workflow.set_current_details(f"**{phase}** {detail}\n\n{self._protection.sentence}")

    def _note_phase(self, detail: str = "") -> None:
        self._journal.record("phase", {"phase": self._phase, "detail": detail})

    def _enter_hold(self, reason: str) -> None:
        if self._hold is None:
            self._held_in = self._phase
        self._hold = reason
        self._enter(Phase.HELD, reason)

    def _leave_hold(self) -> None:
        self._hold = None
        self._enter(self._held_in)

    def _reach(self, milestone: Milestone, at: datetime | None = None) -> None:
        if milestone not in self._milestones:
            self._milestones[milestone] = at or workflow.now()
            self._journal.record("milestone", {"name": milestone, "at": self._milestones[milestone]})

    # What people and senders say

    @workflow.signal
    def alerts(self, alerts: list[AlertReference]) -> None:
        """Further and resolved alerts of the same trouble. One that is known already changes nothing."""
        before = self._alerts.severity
        new = self._alerts.join(alerts)
        if not new:
            return
        named = [alert.fingerprint for alert in new[:NAMED]]
        severity = self._alerts.severity
        self._journal.record("alerts", {"count": len(new), "fingerprints": named, "severity": severity})
        if severity is not before:
            tag({SEVERITY: severity})

    @workflow.signal
    def rollback_held(self, word: Held) -> None:
        """The rollback waits at a stage boundary, or goes on."""
        if word.reason is not None:
            self._enter_hold(word.reason)
        else:
            self._leave_hold()

    @workflow.update
    async def approve(self, word: Approval) -> str:
        """Let the plan that was shown run."""
        self._note_operator("approve", word)
        self._approved = True
        return "approved"

    @approve.validator
    def _may_approve(self, word: Approval) -> None:
        if self._phase is not Phase.AWAITING_APPROVAL or self._plan is None:
            _refuse(f"nothing waits for an approval: the incident is {self._phase}")
        if word.plan is not None and word.plan != self._plan.hash:
            _refuse(f"the plan is {self._plan.hash} by now, not {word.plan}: look at it again")

    @workflow.update
    async def pause(self, word: Approval) -> str:
        """Begin no further step; what runs is finished."""
        self._note_operator("pause", word)
        await self._execution.tell(Control(action="pause", by=word.by, reason=word.reason))
        return "paused"

    @pause.validator
    def _may_pause(self, word: Approval) -> None:
        self._refuse_when_over()
        if self._execution.paused:
            _refuse("it is paused already")

    @workflow.update
    async def resume(self, word: Approval) -> str:
        """Go on after a pause, or try again after a hold."""
        self._note_operator("resume", word)
        self._resumed = True
        await self._execution.tell(Control(action="resume", by=word.by, reason=word.reason))
        return "resumed"

    @resume.validator
    def _may_resume(self, word: Approval) -> None:
        self._refuse_when_over()
        if not self._execution.paused and self._hold is None:
            _refuse(f"there is nothing to resume: the incident is {self._phase} and not paused")

    @workflow.update
    async def abort(self, word: Approval) -> str:
        """Stop at the next step boundary and undo everything."""
        self._note_operator("abort", word)
        await self._stop(word)
        return "aborting"

    @abort.validator
    def _may_abort(self, word: Approval) -> None:
        self._refuse_when_over()
        if self._abort:
            _refuse("it is being aborted already")

    @workflow.query
    def state(self) -> IncidentState:
        return IncidentState(
            incident=self._start.incident,
            workflow=workflow.info().workflow_id,
            region=self._start.region,
            service=self._start.service,
            severity=self._alerts.severity,
            level=self._start.level,
            phase=self._phase,
            paused=self._execution.paused,
            hold=self._hold,
            alerts=self._alerts.first,
            alerts_had=self._alerts.number,
            steps=self._saga.records + self._execution.steps,
            plan=self._plan,
            impact=self._assessment.impact if self._assessment else self._start.impact,
            verdict=self._execution.verdict,
            milestones=self._milestones,
        )

    @workflow.query
    def had(self, alerts: list[AlertReference]) -> list[bool]:
        """Of each of these whether this incident was told of it, in their order."""
        return [alert in self._alerts for alert in alerts]

    @workflow.query
    def plan(self) -> Plan | None:
        return self._plan

    def _refuse_when_over(self) -> None:
        if self._over:
            _refuse(f"it has ended: {self._phase}")

    async def _stop(self, word: Approval) -> None:
        self._abort = word
        await self._execution.tell(Control(action="abort", by=word.by, reason=word.reason))

    def _note_operator(self, action: str, word: Approval) -> None:
        self._journal.record("operator", {"action": action, "by": word.by, "reason": word.reason})


def _refuse(why: str) -> NoReturn:
    raise ApplicationError(why, type="Refused", non_retryable=True)
