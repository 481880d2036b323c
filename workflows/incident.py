"""The incident: protect, assess, plan, execute, verify, lift, resolve - one durable workflow from alert to recovery."""

from __future__ import annotations

import asyncio
from typing import Literal

from temporalio import workflow
from temporalio.common import VersioningBehavior
from temporalio.exceptions import ApplicationError, FailureError

from workflows import refusals
from workflows.alerts import Alerts, named
from workflows.breakers import Breakers
from workflows.execution import Execution
from workflows.journal import Journal
from workflows.planning import Planning
from workflows.protection import Protection
from workflows.regions import Regions
from workflows.saga import Saga, describe
from workflows.search import REGION, SERVICE, SEVERITY, tag
from workflows.standing import Standing
from workflows.trouble import ABORT_ASKED, Trouble
from workflows.words import PLAN, Words

with workflow.unsafe.imports_passed_through():
    from models.alert import AlertReference
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
    from models.scope import Scope

MAX_PLANS = 3
"""A plan whose world has moved is made anew so often, then a person is asked (law 7)."""


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
        self._standing = Standing(self._journal, self._in_force)
        self._breakers = Breakers(
            self._scope, start.policy, start.received_at, self._regions, self._saga, self._standing.show_details
        )
        self._words = Words()
        self._execution = Execution(start, self._scope, self._regions, self._journal, self._lift, self._words)
        self._planning = Planning(start, self._scope, self._regions, self._journal, self._may_lift, self._standing)
        self._alerts = Alerts(start.severity, start.alerts)

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
        self._standing.reach(Milestone.RECEIVED, self._start.received_at)
        self._standing.record()
        protects = self._start.level is not Level.ADVISE and self._start.modules.breaker
        if protects and await self._protection.take():
            self._standing.reach(Milestone.PROTECTED)
        # Not before: the first task has nothing to do but to protect, and whatever else it carried would come first.
        self._journal.open()
        if protects:
            self._breakers.watch()
        tag({SERVICE: self._start.service, REGION: self._start.region, SEVERITY: self._alerts.severity})
        ended: tuple[Phase, str] | None = None
        while ended is None:
            ended = await self._attempt()
        return await self._end(*ended)

    async def _attempt(self) -> tuple[Phase, str] | None:
        """Assess, plan and execute once. None: a person asked to try again."""
        trouble: Trouble | None = None
        try:
            for _ in range(MAX_PLANS):
                if self._execution.under_way:
                    plan = self._planning.plan
                else:
                    self._words.forget_approvals()
                    plan = await self._words.unless_aborted(self._planning.plan_anew())
                if plan is None:
                    break
                if self._start.level is Level.ADVISE:
                    return Phase.ADVISED, plan.hold or " · ".join(plan.preview)
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

    async def _run(self, plan: Plan) -> Trouble | None:
        if plan.hold:
            return Trouble(plan.hold)
        if not (self._start.modules.rollback and self._start.modules.mesh):
            return Trouble("the plan needs the modules rollback and mesh, and one of them is switched off")
        if self._start.needs_approval and not await self._approved(plan):
            return Trouble("nobody approved the plan in time")
        if self._words.abort:
            return ABORT_ASKED
        self._standing.enter(Phase.EXECUTING)
        trouble = await self._execution.run(plan, self._standing.reach, self._standing.enter)
        if trouble is None:
            self._standing.reach(Milestone.RECOVERED)
        return trouble

    async def _approved(self, plan: Plan) -> bool:
        """Whether the plan as a whole is, in time, or needs it no more because the incident is aborted."""
        if PLAN in self._words.approved:
            return True
        self._standing.enter(Phase.AWAITING_APPROVAL, plan.asks(self._start.policy.approval_timeout))
        return await self._words.approval(PLAN, self._start.policy.approval_timeout)

    async def _wait_for_person(self, reason: str) -> tuple[Phase, str] | None:
        """Held: protection goes on until a person's retry or abort, or until the hold's own time is over.

        A retry that was said to a rollback's hold, and came when that had just ended, is meant here too.
        """
        self._planning.emergency_allowed_by = None  # it was for the attempt that has ended
        self._standing.wait_for_person(reason)
        if not await self._words.retry(self._start.policy.hold_timeout):
            self._protection.stop_renewing()
            await self._breakers.let_lapse()
            return Phase.HELD, reason
        self._words.forget_retry()
        self._standing.wait_for_person(None)
        return await self._aborted(self._words.abort) if self._words.abort else None

    def _may_lift(self) -> bool:
        """Whether there is, or may be, protection for a plan to lift."""
        return self._protection.active or self._breakers.active

    async def _lift(self) -> None:
        """All protection, as a part of the plan: what was tripped last first."""
        await self._breakers.restore()
        await self._protection.lift()

    def _in_force(self) -> str:
        """For people."""
        return "; ".join(filter(None, (self._protection.sentence, self._breakers.sentence)))

    async def _on_silence(self, reason: str | None) -> None:
        """Nobody acts for the region, or somebody does again."""
        self._standing.wait_for_region(reason)

    async def _aborted(self, asked: Control) -> tuple[Phase, str]:
        await self._breakers.close()
        troubles = await self._saga.compensate()
        sentence = f"aborted by {asked.by}: {asked.reason or 'no reason given'}"
        if troubles or self._execution.unfinished:
            return Phase.HELD, "; ".join((sentence, *troubles, *self._execution.unfinished))
        return Phase.ABORTED, sentence

    async def _end(self, phase: Phase, sentence: str) -> IncidentResult:
        self._standing.enter(phase, sentence)
        self._standing.reach(Milestone.ENDED)
        chosen = self._planning.plan.rollback if self._planning.plan else None
        result = IncidentResult(
            incident=self._start.incident,
            phase=phase,
            sentence=sentence,
            strategy=chosen.strategy if chosen else None,
            target=chosen.first.target if chosen else None,
            verdict=self._execution.verdict,
            steps=self._saga.records + self._execution.steps,
            milestones=self._standing.milestones,
        )
        self._journal.record("incident-ended", result)
        await self._journal.close()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return result

    # What people and senders say

    @workflow.signal
    def alerts(self, alerts: list[AlertReference]) -> None:
        """Further and resolved alerts of the same trouble. One that is known already changes nothing."""
        before = self._alerts.severity
        new = self._alerts.join(alerts)
        if not new:
            return
        severity = self._alerts.severity
        self._journal.record("alerts", {"count": len(new), "fingerprints": named(new), "severity": severity})
        if severity is not before:
            tag({SEVERITY: severity})

    @workflow.signal
    def rollback_held(self, word: Held) -> None:
        """The rollback waits at a stage boundary, or goes on."""
        if not word.for_person:
            self._standing.wait_for_region(word.reason)
            return
        self._words.forget_retry()
        self._standing.wait_for_person(word.reason)

    @workflow.signal
    def approval_awaited(self, word: Awaited) -> None:
        """A stage of the rollback waits for a person, or does not any more."""
        self._standing.wait_for_approval(word.stage, word.sentence)

    @workflow.update
    async def approve(self, word: Approval) -> str:
        """Let the plan that was shown run. Said again, it changes nothing."""
        if PLAN not in self._words.approved:
            self._note_operator("approve", word)
            await self._tell("approve", word, PLAN)
        return "approved"

    @approve.validator
    def _may_approve(self, word: Approval) -> None:
        _refuse(refusals.of_approve(self._now, word))

    @workflow.update
    async def approve_stage(self, word: StageApproval) -> str:
        """Let one stage begin that waits for it. Said again, it changes nothing."""
        stage = stage_name(word.service, word.stage)
        if stage not in self._words.approved:
            self._note_operator("approve", word, stage=stage)
            self._standing.wait_for_approval(stage, None)
            await self._tell("approve", word, stage)
        return f"approved {stage}"

    @approve_stage.validator
    def _may_approve_stage(self, word: StageApproval) -> None:
        _refuse(refusals.of_approve_stage(self._now, word))

    @workflow.update
    async def pause(self, word: Approval) -> str:
        """Begin no further step; what runs is finished."""
        self._note_operator("pause", word)
        await self._tell("pause", word)
        return "paused"

    @pause.validator
    def _may_pause(self, word: Approval) -> None:
        _refuse(refusals.of_pause(self._now))

    @workflow.update
    async def resume(self, word: Approval) -> str:
        """Go on after a pause."""
        self._note_operator("resume", word)
        await self._tell("resume", word)
        return "resumed"

    @resume.validator
    def _may_resume(self, word: Approval) -> None:
        _refuse(refusals.of_resume(self._now))

    @workflow.update
    async def retry(self, word: Approval) -> str:
        """Run what it is held at again: the stage, or another attempt of the incident."""
        self._note_operator("retry", word)
        await self._tell("retry", word)
        return "trying again"

    @retry.validator
    def _may_retry(self, word: Approval) -> None:
        _refuse(refusals.of_retry(self._now))

    @workflow.update
    async def emergency(self, word: Approval) -> str:
        """Allow an emergency rollback in one's own name, and plan again."""
        self._note_operator("emergency", word)
        self._planning.emergency_allowed_by = word.by
        await self._tell("retry", word)
        return "planning again, an emergency rollback is allowed"

    @emergency.validator
    def _may_allow_emergency(self, word: Approval) -> None:
        _refuse(refusals.of_emergency(self._now, word))

    @workflow.update
    async def abort(self, word: Approval) -> str:
        """Stop at the next step boundary and undo everything."""
        self._note_operator("abort", word)
        await self._tell("abort", word)
        return "aborting"

    @abort.validator
    def _may_abort(self, word: Approval) -> None:
        _refuse(refusals.of_abort(self._now))

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
            plan=self._planning.plan,
            impact=self._planning.impact,
            verdict=self._execution.verdict,
            milestones=self._standing.milestones,
        )

    @workflow.query
    def had(self, alerts: list[AlertReference]) -> list[bool]:
        """Of each of these whether this incident was told of it, in their order."""
        return [alert in self._alerts for alert in alerts]

    @workflow.query
    def plan(self) -> Plan | None:
        return self._planning.plan

    @property
    def _now(self) -> refusals.Moment:
        return refusals.Moment(
            region=self._start.region,
            phase=self._standing.phase,
            over=self._standing.over,
            hold=self._standing.hold,
            held_for_person=self._standing.person is not None,
            paused=self._words.paused,
            aborting=self._words.abort is not None,
            plan=self._planning.plan,
            plan_waits=self._standing.plan_waits,
            awaited=tuple(self._standing.awaited),
            approved=self._words.approved,
        )

    async def _tell(self, action: Action, said: Approval, stage: str = "") -> None:
        word = Control(action=action, by=said.by, reason=said.reason, stage=stage)
        self._words.hear(word)
        await self._execution.pass_on(word)

    def _note_operator(self, action: Action | Literal["emergency"], word: Approval, **more: str) -> None:
        self._journal.record("operator", {"action": action, "by": word.by, "reason": word.reason, **more})


def _refuse(why: str | None) -> None:
    if why:
        raise ApplicationError(why, type="Refused", non_retryable=True)
