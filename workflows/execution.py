"""Running a plan: its graph of steps in the order of the coordination strategy, each as work for one module."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError
from temporalio.workflow import ParentClosePolicy

from workflows.coordination import startable
from workflows.journal import Journal
from workflows.regions import Regions
from workflows.rollback import RollbackWorkflow
from workflows.saga import describe
from workflows.trouble import ABORT_ASKED, Trouble
from workflows.words import Words

with workflow.unsafe.imports_passed_through():
    from activities.analytics import contract as analytics
    from activities.rollback import contract as rollback
    from models.incident import IncidentStart, Milestone, Phase, StepRecord
    from models.plan import ConfirmWork, LiftWork, Plan, PlanStep, RollbackPlan, RollbackWork, VerifyWork
    from models.rollback import Control, RollbackResult, RollbackStart
    from models.scope import Scope
    from models.telemetry import USERS
    from models.verdict import Verdict

Reach = Callable[..., None]
Enter = Callable[[Phase], None]


class Execution:
    """One incident's plans, one after the other. Steps that run are finished; new ones wait while it is paused."""

    def __init__(
        self,
        start: IncidentStart,
        scope: Scope,
        regions: Regions,
        journal: Journal,
        lift: Callable[[], Awaitable[None]],
        words: Words,
    ) -> None:
        self._start = start
        self._scope = scope
        self._regions = regions
        self._journal = journal
        self._lift = lift
        self._words = words
        self._child: workflow.ChildWorkflowHandle[RollbackWorkflow, RollbackResult] | None = None
        self._attempts = 0
        self._done: set[str] = set()
        self._met_trouble = False
        self.verdict: Verdict | None = None
        self.steps: tuple[StepRecord, ...] = ()
        self._left_in_place: dict[int, str] = {}
        """What is said of each attempt whose rollback an abort can no longer undo, whatever became of later ones."""

    @property
    def under_way(self) -> bool:
        """Whether steps of the plan are done: then a person's *retry* runs the rest of it, and nothing twice."""
        return bool(self._done)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """What an abort can no longer undo."""
        return tuple(self._left_in_place.values())

    async def pass_on(self, word: Control) -> None:
        """Tell the rollback that runs, if any does, what a person has said."""
        if self._child is None:
            return
        try:
            await self._child.signal(RollbackWorkflow.control, word)
        except FailureError:
            workflow.logger.info("the rollback had ended before it could be told to %s", word.action)

    async def run(self, plan: Plan, reach: Reach, enter: Enter) -> Trouble | None:
        """Every step of the plan that is not done, or the first trouble once nothing runs any more."""
        running: dict[str, asyncio.Task[Trouble | None]] = {}
        trouble: Trouble | None = None
        while len(self._done) < len(plan.steps):
            if trouble is None and not running:
                await self._words.between_steps()
            if trouble is None and self._words.abort:
                trouble = ABORT_ASKED
            if trouble is None and not self._words.paused:
                for step in startable(plan.steps, self._done, running, self._start.coordination, self._met_trouble):
                    running[step.id] = asyncio.create_task(self._run_step(step, reach, enter))
            if not running:
                return trouble
            await self._something_ends_or_may_begin(running.values())
            for step_id in [step_id for step_id, task in running.items() if task.done()]:
                found = await running.pop(step_id)
                if found is None:
                    self._done.add(step_id)
                elif trouble is None:
                    self._met_trouble = True
                    trouble = found
        return trouble or (ABORT_ASKED if self._words.abort else None)

    async def _something_ends_or_may_begin(self, running: Iterable[asyncio.Task[Trouble | None]]) -> None:
        paused = self._words.paused
        await workflow.wait_condition(
            lambda: any(task.done() for task in running) or (paused and not self._words.paused)
        )

    async def _run_step(self, step: PlanStep, reach: Reach, enter: Enter) -> Trouble | None:
        try:
            match step.work:
                case RollbackWork(rollback=chosen):
                    return await self._roll_back(chosen, reach)
                case VerifyWork() as work:
                    enter(Phase.VERIFYING)
                    return await self._verify(work)
                case LiftWork():
                    enter(Phase.LIFTING)
                    await self._lift()
                    reach(Milestone.LIFTED)
                    return None
                case ConfirmWork() as work:
                    return await self._confirm(work)
        except FailureError as failure:
            return Trouble(f"{step.title}: {describe(failure)}")

    async def _roll_back(self, chosen: RollbackPlan, reach: Reach) -> Trouble | None:
        self._attempts += 1
        services = ", ".join(f"{one.state.service} to {one.target}" for one in chosen.services)
        attempt, stays = self._attempts, f"the rollback of {services} stays in place"
        self._left_in_place[attempt] = stays
        self._child = await workflow.start_child_workflow(
            RollbackWorkflow.run,
            RollbackStart(
                **self._scope.model_dump(),
                attempt=attempt,
                peers=self._start.peers,
                plan=chosen,
                hold_timeout=self._start.policy.hold_timeout,
                approval_timeout=self._start.policy.approval_timeout,
                began_at=self._start.received_at,
            ),
            id=f"rollback:{self._start.incident}:{chosen.first.state.service}",
            parent_close_policy=ParentClosePolicy.ABANDON,
            static_summary=f"{chosen.strategy} rollback of {services}",
        )
        if said := self._words.for_who_begins:  # before, or while it was being started
            await self.pass_on(said)
        result = await self._child
        self._child = None
        self._journal.adopt(result.unrecorded)
        self.steps += result.steps
        self.verdict = result.verdict or self.verdict
        if result.contained_at:
            reach(Milestone.CONTAINED, result.contained_at)
        if result.outcome == "done":
            return None
        if result.outcome == "held":
            self._left_in_place[attempt] = f"{stays}: {result.sentence}"
        else:
            del self._left_in_place[attempt]
        return Trouble(result.sentence, "stale" if result.outcome == "stale" else "failed")

    async def _verify(self, work: VerifyWork) -> Trouble | None:
        request = rollback.ReadBackRequest(**self._scope.at(work.service).model_dump(), work=work)
        return await self._judge(
            self._regions.call(rollback.READ_BACK, request, f"read back: {work.release} is what runs")
        )

    async def _confirm(self, work: ConfirmWork) -> Trouble | None:
        request = analytics.SoakRequest(
            **self._scope.at(work.service).model_dump(),
            arm=USERS,
            seconds=work.seconds,
            extension=work.extension,
            min_requests=work.min_requests,
        )
        return await self._judge(
            self._regions.call(analytics.SOAK, request, f"users of {work.service} are served within the objectives")
        )

    async def _judge(self, looking: Coroutine[Any, Any, Verdict]) -> Trouble | None:
        verdict = await self._words.unless_aborted(looking)
        if verdict is None:
            return ABORT_ASKED
        self.verdict = verdict
        self._journal.record("verdict", verdict)
        return None if verdict.passed else Trouble(verdict.sentence)
