"""The rollback of one service: runs the stages of any strategy as a saga, with a gate behind each stage.

Law 3: progress only between steps. Law 4: when a stage has failed, measured health decides whether to undo or to hold.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Literal

from temporalio import workflow
from temporalio.common import VersioningBehavior
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from workflows.journal import Journal
from workflows.operations import change_of, generations
from workflows.regions import Regions
from workflows.saga import Saga, SagaStep, describe, kind_of
from workflows.trouble import ABORT_ASKED, Trouble

with workflow.unsafe.imports_passed_through():
    from activities.analytics import contract as analytics
    from activities.mesh import contract as mesh
    from activities.platform import contract as platform
    from activities.rollback import contract as rollback
    from models.change import ChangeRequest, UndoRequest
    from models.identity import Key
    from models.plan import Drained, Gate, Ready, Routed, Scale, Soak, Stage, StageStep
    from models.receipt import Outcome
    from models.rollback import Control, Held, RollbackResult, RollbackStart
    from models.scope import Scope
    from models.verdict import Finding, Verdict


LOCK_PATIENCE = timedelta(minutes=10)

RollbackOutcome = Literal["done", "stale", "compensated", "aborted", "held"]


@workflow.defn(name="Rollback", versioning_behavior=VersioningBehavior.PINNED)
class RollbackWorkflow:
    """Stages of one rollback plan. Survives its parent; ends done, compensated, aborted or held, never in between.

    Pinned to the build of its incident, also when another one has become current in the meantime.
    """

    @workflow.init
    def __init__(self, start: RollbackStart) -> None:
        self._start = start
        self._plan = start.plan
        self._regions = Regions(start.region, start.peers, self._tell_silence)
        self._journal = Journal(start.incident, self._regions)
        self._saga = Saga(self._journal)
        self._generation = generations(start.plan.state)
        self._paused = False
        self._abort: Control | None = None
        self._resumed = False
        self._locked = False
        self._traffic_moved = False
        self._contained_at: datetime | None = None
        self._health: Verdict | None = None

    @workflow.run
    async def run(self, start: RollbackStart) -> RollbackResult:
        body = asyncio.create_task(self._body())
        try:
            return await asyncio.shield(body)
        except asyncio.CancelledError:
            self._abort = Control(action="abort", by="Temporal", reason="the workflow was cancelled")
            return await body

    @workflow.signal
    def lock_granted(self) -> None:
        self._locked = True

    @workflow.signal
    def control(self, word: Control) -> None:
        match word.action:
            case "pause":
                self._paused = True
            case "resume":
                self._paused = False
                self._resumed = True
            case "abort":
                self._abort = word

    async def _body(self) -> RollbackResult:
        self._journal.open()
        outcome, sentence = await self._locked_stages()
        unrecorded = await self._journal.hand_over()
        return RollbackResult(
            outcome=outcome,
            sentence=sentence,
            steps=self._saga.records,
            verdict=self._health,
            contained_at=self._contained_at,
            unrecorded=unrecorded,
        )

    async def _locked_stages(self) -> tuple[RollbackOutcome, str]:
        request = rollback.LockRequest(
            region=self._start.region,
            service=self._start.service,
            holder=workflow.info().workflow_id,
            run=workflow.info().run_id,
        )
        try:
            await self._regions.call(rollback.LOCK, request, f"lock {self._start.service}")
            await workflow.wait_condition(lambda: self._locked or self._abort is not None, timeout=LOCK_PATIENCE)
            outcome = await self._stages()
        except FailureError as failure:
            outcome = ("held" if self._saga.records else "compensated", describe(failure))
        except TimeoutError:
            outcome = ("compensated", f"another rollback of {self._start.service} holds its lock; nothing was changed")
        await self._unlock(request)
        return outcome

    async def _unlock(self, request: rollback.LockRequest) -> None:
        lock = workflow.get_external_workflow_handle(rollback.lock_id(request.region, request.service))
        try:
            await lock.signal("release", request)
        except FailureError:
            workflow.logger.warning("the lock had ended before it was released")

    async def _stages(self) -> tuple[RollbackOutcome, str]:
        check = await self._regions.call(
            rollback.PRECHECK, rollback.PrecheckRequest(**self._scope(), plan=self._plan), "is the plan still true?"
        )
        if not check.fresh:
            return "stale", check.sentence
        for stage in self._plan.stages:
            while trouble := await self._run_stage(stage):
                ended = await self._after_trouble(stage, trouble)
                if ended:
                    return ended
        return "done", f"{self._start.service} in {self._start.region} is back on {self._plan.target}"

    async def _run_stage(self, stage: Stage) -> Trouble | None:
        """Steps, then the gate. Returns what went wrong."""
        workflow.set_current_details(f"stage **{stage.name}**: {stage.title}")
        await workflow.wait_condition(lambda: not self._paused or self._abort is not None)
        if self._abort:
            return ABORT_ASKED
        moved_before = self._traffic_moved
        self._traffic_moved = self._traffic_moved or stage.moves_traffic
        try:
            for step in stage.steps:
                await self._apply(step)
            verdict = await self._pass_gate(stage.gate) if stage.gate else None
        except FailureError as failure:
            moved = kind_of(failure) == "Moved"
            if moved:  # refused, so nothing of this stage has happened
                self._traffic_moved = moved_before
            return Trouble(f"stage {stage.name}: {describe(failure)}", stale=moved)
        if verdict is None:
            return ABORT_ASKED if self._abort else None
        self._journal.record("verdict", verdict)
        if isinstance(stage.gate, Soak):
            self._health = verdict
        if not verdict.passed:
            return Trouble(f"stage {stage.name}: {verdict.sentence}")
        if stage.moves_traffic and self._contained_at is None:
            self._contained_at = workflow.now()
        return None

    async def _apply(self, step: StageStep) -> None:
        change = change_of(step.operation)
        key = Key(incident=self._start.incident, step=f"{self._start.service}.{step.id}", attempt=self._start.attempt)

        async def do() -> None:
            request = ChangeRequest(
                **self._scope(), key=key, fields=change.fields, expected=self._generation[change.module]
            )
            receipt = await self._regions.call(change.do, request, step.title)
            self._journal.record("receipt", {"step": step.id, "receipt": receipt})
            self._generation[change.module] = receipt.generation

        async def undo() -> Outcome:
            request = UndoRequest(**self._scope(), key=key)
            receipt = await self._regions.call(change.undo, request, f"undo: {step.title}")
            self._journal.record("receipt", {"step": step.id, "receipt": receipt})
            if receipt.pending:
                raise ApplicationError(f"not acknowledged by {', '.join(receipt.pending)}", non_retryable=True)
            if isinstance(step.operation, Scale):
                for gate in platform.ready_again(receipt):
                    await self._must_be_ready(gate)
            return receipt.outcome

        resource = f"{change.module}/{self._start.region}/{self._start.service}"
        await self._saga.run(SagaStep(id=step.id, title=step.title, module=change.module, resource=resource), do, undo)

    async def _must_be_ready(self, gate: Ready) -> None:
        verdict = await self._ask(gate)
        if not verdict.passed:
            raise ApplicationError(verdict.sentence, non_retryable=True)

    async def _pass_gate(self, gate: Gate) -> Verdict | None:
        """The gate's verdict; none when a person aborted while it was being watched."""
        asked = asyncio.create_task(self._ask(gate))
        aborted = asyncio.create_task(workflow.wait_condition(lambda: self._abort is not None))
        await workflow.wait([asked, aborted], return_when=asyncio.FIRST_COMPLETED)
        aborted.cancel()
        if asked.done():
            return await asked
        asked.cancel()
        try:
            await asked
        except (asyncio.CancelledError, ActivityError):
            return None
        return None

    async def _ask(self, gate: Gate) -> Verdict:
        scope = self._scope()
        match gate:
            case Ready():
                title = f"gate: {gate.replicas} of {gate.release} ready"
                return await self._regions.call(platform.READY, platform.ReadyRequest(**scope, gate=gate), title)
            case Routed():
                title = "gate: every proxy routes as asked"
                return await self._regions.call(mesh.ROUTED, mesh.RoutedRequest(**scope, gate=gate), title)
            case Drained():
                title = f"gate: {gate.release} has no request in flight"
                return await self._regions.call(mesh.DRAINED, mesh.DrainedRequest(**scope, gate=gate), title)
            case Soak():
                request = analytics.SoakRequest(
                    **scope,
                    arm=gate.release,
                    seconds=gate.seconds,
                    extension=gate.extension,
                    min_requests=gate.min_requests,
                )
                title = f"gate: {gate.release} meets its objectives for {gate.seconds:g} s"
                return await self._regions.call(analytics.SOAK, request, title)

    async def _after_trouble(self, stage: Stage, trouble: Trouble) -> tuple[RollbackOutcome, str] | None:
        """What follows a stage that did not pass. None: run it again."""
        if self._abort:
            return await self._compensate("aborted", f"aborted by {self._abort.by}: {self._abort.reason}")
        if not self._traffic_moved:
            return await self._compensate("stale" if trouble.stale else "compensated", trouble.sentence)
        decision = await self._decide()
        sentence = f"{trouble.sentence}. {decision.sentence}"
        if decision.action == "hold":
            return await self._hold(sentence)
        return await self._compensate("compensated", sentence)

    async def _decide(self) -> rollback.Decision:
        request = rollback.DecisionRequest(
            **self._scope(),
            plan=self._plan,
            finding=self._health.finding if self._health else Finding.INCONCLUSIVE,
            before=self._start.before,
        )
        try:
            return await self._regions.call(rollback.DECIDE, request, "undo or hold? measured health decides")
        except FailureError as failure:
            return rollback.Decision(action="hold", sentence=f"Health could not be measured: {describe(failure)}")

    async def _hold(self, reason: str) -> tuple[RollbackOutcome, str] | None:
        """Wait at this stage boundary for a person: resume runs the stage again, abort undoes."""
        self._resumed = False
        await self._tell_incident(Held(reason=reason))
        try:
            await workflow.wait_condition(
                lambda: self._resumed or self._abort is not None, timeout=self._start.hold_timeout
            )
        except TimeoutError:
            return "held", reason
        await self._tell_incident(Held(reason=None))
        if self._abort:
            return await self._compensate("aborted", f"aborted by {self._abort.by}: {self._abort.reason}")
        return None

    async def _compensate(self, outcome: RollbackOutcome, reason: str) -> tuple[RollbackOutcome, str]:
        troubles = await self._saga.compensate()
        if troubles:
            return "held", f"{reason}; undone but for: {'; '.join(troubles)}"
        return outcome, f"{reason}; everything that had been changed is undone"

    async def _tell_silence(self, reason: str | None) -> None:
        await self._tell_incident(Held(reason=reason))

    async def _tell_incident(self, word: Held) -> None:
        parent = workflow.info().parent
        if parent is None:
            return
        try:
            await workflow.get_external_workflow_handle(parent.workflow_id, run_id=parent.run_id).signal(
                "rollback_held", word
            )
        except FailureError:
            workflow.logger.warning("the incident of this rollback has ended; going on without it")

    def _scope(self) -> dict[str, str]:
        return {name: getattr(self._start, name) for name in Scope.model_fields}
