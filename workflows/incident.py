"""The incident: protect, assess, plan, execute, verify, lift, resolve - one durable workflow from alert to recovery."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Literal, NoReturn

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
from workflows.search import REGION, RELEASE, SERVICE, SEVERITY, STRATEGY, tag
from workflows.standing import Standing
from workflows.trouble import ABORT_ASKED, Trouble
from workflows.words import Words

with workflow.unsafe.imports_passed_through():
    from activities.rollback import contract as rollback
    from models.alert import AlertReference
    from models.assessment import Assessment
    from models.catalog import Level
    from models.incident import (
        Approval,
        IncidentResult,
        IncidentStart,
        IncidentState,
        Milestone,
        Phase,
        StageApproval,
    )
    from models.plan import Plan
    from models.rollback import Action, Awaited, Control, Held, stage_name
    from models.said import Said
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
        self._words = Words()
        self._execution = Execution(start, self._scope, self._regions, self._journal, self._protection, self._words)
        self._standing = Standing(self._journal, self._protection)
        self._alerts = Alerts(start.severity, start.alerts)
        self._milestones: dict[str, datetime] = {}
        self._assessment: Assessment | None = None
        self._plan: Plan | None = None
        self._approved = False
        self._emergency_allowed_by: str | None = None
        self._over = False

    @workflow.run
    async def run(self, start: IncidentStart) -> IncidentResult:
        body = asyncio.create_task(self._body())
        try:
            return await asyncio.shield(body)
        except asyncio.CancelledError:
            await self._tell("abort", Approval(by="Temporal", reason="the workflow was cancelled"))
            return await body

    async def _body(self) -> IncidentResult:
        self._journal.record("incident-started", {**dict(self._start), "workflow": workflow.info().workflow_id})
        self._reach(Milestone.RECEIVED, self._start.received_at)
        self._standing.record()
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
                    plan = await self._words.unless_aborted(self._assess_and_plan())
                if plan is None:
                    break
                if self._start.level is Level.ADVISE:
                    return Phase.ADVISED, self._advice(plan)
                trouble = await self._run(plan)
                if trouble is None:
                    return Phase.RESOLVED, f"{self._start.service} in {self._start.region} is verified healthy"
                if trouble.kind != "stale":
                    break
        except FailureError as failure:
            trouble = Trouble(describe(failure))
        if self._words.abort:
            return await self._aborted(self._words.abort)
        return await self._wait_for_person(trouble.sentence if trouble else "nothing was done")

    async def _assess_and_plan(self) -> Plan:
        self._standing.enter(Phase.ASSESSING)
        self._assessment = await assess(self._start, self._scope, self._regions)
        self._journal.record("assessment", self._assessment)
        self._standing.enter(Phase.PLANNING)
        request = rollback.PlanRequest(
            **self._scope.model_dump(),
            assessment=self._assessment,
            said=Said(began_at=self._start.received_at, emergency_allowed_by=self._emergency_allowed_by),
            protected=self._protection.active,
        )
        plan = await self._regions.call(rollback.PLAN, request, f"plan the recovery of {self._start.service}")
        self._plan = plan
        self._approved = False
        self._words.forget_approvals()
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
        if self._words.abort:
            return ABORT_ASKED
        self._standing.enter(Phase.EXECUTING)
        trouble = await self._execution.run(plan, self._reach, self._standing.enter)
        if trouble is None:
            self._reach(Milestone.RECOVERED)
        return trouble

    async def _wait_for_approval(self) -> bool:
        self._standing.enter(Phase.AWAITING_APPROVAL)
        try:
            await workflow.wait_condition(
                lambda: self._approved or self._words.abort is not None, timeout=self._start.policy.approval_timeout
            )
        except TimeoutError:
            return self._approved  # at the same moment, and a person was told that it counts
        return True

    async def _wait_for_person(self, reason: str) -> tuple[Phase, str] | None:
        """Held: protection goes on until a person's retry or abort, or until the hold's own time is over.

        A retry that was said to a rollback's hold, and came when that had just ended, is meant here too.
        """
        self._emergency_allowed_by = None  # it was for the attempt that has ended
        self._standing.hold_for_person(reason)
        if not await self._words.retry(self._start.policy.hold_timeout):
            self._protection.stop_renewing()
            return Phase.HELD, reason
        self._words.forget_retry()
        self._standing.go_on()
        return await self._aborted(self._words.abort) if self._words.abort else None

    async def _on_silence(self, reason: str | None) -> None:
        """Nobody acts for the region, or somebody does again."""
        self._standing.wait_for_region(reason)

    async def _aborted(self, asked: Control) -> tuple[Phase, str]:
        troubles = await self._saga.compensate()
        sentence = f"aborted by {asked.by}: {asked.reason or 'no reason given'}"
        if troubles or self._execution.unfinished:
            return Phase.HELD, "; ".join((sentence, *troubles, *self._execution.unfinished))
        return Phase.ABORTED, sentence

    async def _end(self, phase: Phase, sentence: str) -> IncidentResult:
        self._over = True
        self._standing.enter(phase, sentence)
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
        if not word.for_person:
            self._standing.wait_for_region(word.reason)
            return
        self._words.forget_retry()
        if word.reason is not None:
            self._standing.hold_for_person(word.reason)
        else:
            self._standing.go_on()

    @workflow.signal
    def approval_awaited(self, word: Awaited) -> None:
        """A stage of the rollback waits for a person, or does not any more."""
        self._standing.wait_for_approval(word.stage, word.sentence)

    @workflow.update
    async def approve(self, word: Approval) -> str:
        """Let the plan that was shown run. Said again, it changes nothing."""
        if not self._approved:
            self._note_operator("approve", word)
            self._approved = True
        return "approved"

    @approve.validator
    def _may_approve(self, word: Approval) -> None:
        plan = self._refuse_another_plan(word)
        if self._approved:
            return
        if self._standing.awaited:
            _refuse(f"the plan {plan.hash} runs; what waits is {self._stages}: approve it with --stage")
        if not self._standing.plan_waits:
            _refuse(f"nothing waits for an approval: the incident is {self._standing.phase}")

    @workflow.update
    async def approve_stage(self, word: StageApproval) -> str:
        """Let one stage begin that waits for it. Said again, it changes nothing."""
        stage = stage_name(word.service, word.stage)
        if not self._words.is_approved(stage):
            self._note_operator("approve", word, stage=stage)
            self._standing.wait_for_approval(stage, None)
            await self._tell("approve", word, stage)
        return f"approved {stage}"

    @approve_stage.validator
    def _may_approve_stage(self, word: StageApproval) -> None:
        self._refuse_another_plan(word)
        stage = stage_name(word.service, word.stage)
        if stage not in self._standing.awaited and not self._words.is_approved(stage):
            waits = f"what waits is {self._stages}" if self._standing.awaited else "no stage waits for an approval"
            _refuse(f"{stage} does not wait for an approval: {waits}, and the incident is {self._standing.phase}")

    @workflow.update
    async def pause(self, word: Approval) -> str:
        """Begin no further step; what runs is finished."""
        self._note_operator("pause", word)
        await self._tell("pause", word)
        return "paused"

    @pause.validator
    def _may_pause(self, word: Approval) -> None:
        self._refuse_when_over()
        if self._words.paused:
            _refuse("it is paused already")

    @workflow.update
    async def resume(self, word: Approval) -> str:
        """Go on after a pause."""
        self._note_operator("resume", word)
        await self._tell("resume", word)
        return "resumed"

    @resume.validator
    def _may_resume(self, word: Approval) -> None:
        self._refuse_when_over()
        if not self._words.paused:
            held = "; a hold ends with retry or abort" if self._standing.person else ""
            _refuse(f"it is not paused, so there is nothing to resume: the incident is {self._standing.phase}{held}")

    @workflow.update
    async def retry(self, word: Approval) -> str:
        """Run what it is held at again: the stage, or another attempt of the incident."""
        self._note_operator("retry", word)
        await self._tell("retry", word)
        return "trying again"

    @retry.validator
    def _may_retry(self, word: Approval) -> None:
        self._refuse_when_over()
        if self._words.paused:
            _refuse("it is paused, so nothing would be tried again: resume it first")
        if self._standing.person is None:
            region = f"held until somebody acts for {self._start.region} again, and then goes on by itself"
            why = region if self._standing.hold else f"{self._standing.phase}, and not held"
            _refuse(f"there is nothing to try again: the incident is {why}")

    @workflow.update
    async def emergency(self, word: Approval) -> str:
        """Allow an emergency rollback in one's own name, and plan again."""
        self._note_operator("emergency", word)
        self._emergency_allowed_by = word.by
        await self._tell("retry", word)
        return "planning again, an emergency rollback is allowed"

    @emergency.validator
    def _may_allow_emergency(self, word: Approval) -> None:
        self._may_retry(word)
        if self._plan is None or self._plan.hold is None:
            _refuse("an emergency is allowed where the plan is held: this one is under way; retry it, or abort it")
        if not word.reason:
            _refuse("an emergency rollback needs a reason")

    @workflow.update
    async def abort(self, word: Approval) -> str:
        """Stop at the next step boundary and undo everything."""
        self._note_operator("abort", word)
        await self._tell("abort", word)
        return "aborting"

    @abort.validator
    def _may_abort(self, word: Approval) -> None:
        self._refuse_when_over()
        if self._words.abort:
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
            phase=self._standing.phase,
            paused=self._words.paused,
            hold=self._standing.hold,
            awaited=self._standing.awaited,
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

    @property
    def _stages(self) -> str:
        return ", ".join(self._standing.awaited)

    def _refuse_another_plan(self, word: Approval) -> Plan:
        if self._plan is None:
            _refuse(f"there is no plan to approve: the incident is {self._standing.phase}")
        if word.plan is not None and word.plan != self._plan.hash:
            _refuse(f"the plan is {self._plan.hash} by now, not {word.plan}: look at it again")
        return self._plan

    def _refuse_when_over(self) -> None:
        if self._over:
            _refuse(f"it has ended: {self._standing.phase}")

    async def _tell(self, action: Action, said: Approval, stage: str = "") -> None:
        word = Control(action=action, by=said.by, reason=said.reason, stage=stage)
        self._words.hear(word)
        await self._execution.pass_on(word)

    def _note_operator(self, action: Action | Literal["emergency"], word: Approval, **more: str) -> None:
        self._journal.record("operator", {"action": action, "by": word.by, "reason": word.reason, **more})


def _refuse(why: str) -> NoReturn:
    raise ApplicationError(why, type="Refused", non_retryable=True)
