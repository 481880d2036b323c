"""One service's stages, one after the other: each step registered, made and checked, and a gate behind each stage."""

from __future__ import annotations

from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import FailureError

from workflows.changes import Changes
from workflows.journal import Journal
from workflows.parent import tell_incident
from workflows.regions import Regions
from workflows.saga import Saga, describe, kind_of
from workflows.trouble import ABORT_ASKED, Trouble
from workflows.words import Words

with workflow.unsafe.imports_passed_through():
    from activities.analytics import contract as analytics
    from activities.rollback.contract import Moved
    from models.plan import ServiceRollback
    from models.rollback import Awaited, RollbackStart, stage_name
    from models.stage import Check, Compare, Gate, Route, Soak, Stage, StageStep
    from models.verdict import Finding, Verdict


class ServiceLane:
    """One service's share of a rollback, and what it has come to. Its stages may be spread over several waves."""

    def __init__(
        self,
        start: RollbackStart,
        rollback: ServiceRollback,
        regions: Regions,
        journal: Journal,
        saga: Saga,
        words: Words,
    ) -> None:
        self._incident = start.incident
        self._approval_timeout = start.approval_timeout
        self._began_at = start.began_at
        self._rollback = rollback
        self._regions = regions
        self._journal = journal
        self._words = words
        scope = start.at(rollback.state.service)
        self._scope = scope.model_dump()
        self._changes = Changes(scope, start.attempt, rollback.state, regions, journal, saga)
        self._passed: set[str] = set()
        stages = start.plan.stages_of(rollback.state.service)
        self._shifts = {stage.name for stage in stages if stage.moves_traffic}
        self._traffic_moved = False
        self._worse = False
        self.contained_at: datetime | None = None
        """When traffic had left the bad release."""
        self.health: Verdict | None = None
        """Of the target under traffic, by the last gate that looked."""

    @property
    def service(self) -> str:
        return self._rollback.state.service

    @property
    def moved(self) -> Moved | None:
        """What must be known before traffic is sent back; none where none was moved."""
        if not self._traffic_moved:
            return None
        return Moved(
            service=self.service,
            bad=self._rollback.bad,
            target=self._rollback.target,
            before=self._rollback.before,
            now=self.health.finding if self.health else Finding.INCONCLUSIVE,
            worse=self._worse,
        )

    async def run(self, stages: tuple[Stage, ...]) -> Trouble | None:
        """Those of *stages* that have not passed yet, or what one of them has met."""
        for stage in stages:
            if stage.name in self._passed:
                continue
            if trouble := await self._may_begin(stage) or await self._run_stage(stage):
                self._words.wave_stops = True
                return trouble
            self._passed.add(stage.name)
            if self.contained_at is None and self._shifts <= self._passed:
                self.contained_at = workflow.now()
        return None

    async def _may_begin(self, stage: Stage) -> Trouble | None:
        """Between two stages nothing is under way: here it waits for a person, rests, gives way or stops."""
        late = stage.approval and not await self._approval(stage)
        await self._words.between_stages()
        if self._words.abort:
            return ABORT_ASKED
        if self._words.wave_stops:
            return Trouble(f"{self.service} rests before stage {stage.name}", "neighbour")
        if late:
            return Trouble(f"{self._name(stage)}: nobody approved it in {self._approval_timeout:g} s", "unapproved")
        if self._words.outranked or (stage.approval and self._full(stage) not in self._words.approved):
            return Trouble(f"{self.service} has stopped before stage {stage.name}", "outranked")
        return None

    async def _approval(self, stage: Stage) -> bool:
        """Whether it comes in time, or is not needed any more because the rollback is called off."""
        name = self._full(stage)
        if name in self._words.approved:
            return True
        await tell_incident(Awaited(stage=name, sentence=self._asks(stage)))
        in_time = await self._words.approval(name, self._approval_timeout)
        await tell_incident(Awaited(stage=name, sentence=None))
        return in_time

    def _asks(self, stage: Stage) -> str:
        does = "; ".join(step.title for step in stage.steps) or stage.title
        way = " (point of no return)" if stage.point_of_no_return else ""
        how = f"sternway incidents approve {self._incident} --stage {self._full(stage)}"
        return (
            f"{self.service} waits for an approval of stage {stage.name}{way}: {does}. `{how}` lets it go on; without "
            f"an approval in {self._approval_timeout:g} s it is held"
        )

    async def _run_stage(self, stage: Stage) -> Trouble | None:
        workflow.set_current_details(f"{self.service}: stage **{stage.name}**: {stage.title}")
        try:
            for step in stage.steps:
                if trouble := await self._may_go_on(stage):
                    return trouble
                await self._apply(step)
                if step.check and (trouble := await self._check(stage, step.check)):
                    return trouble
            if trouble := await self._may_go_on(stage):
                return trouble
            return await self._watch(stage, stage.gate) if stage.gate else None
        except FailureError as failure:
            kind = "stale" if kind_of(failure) == "Moved" else "failed"
            return Trouble(f"{self._name(stage)}: {describe(failure)}", kind)

    async def _may_go_on(self, stage: Stage) -> Trouble | None:
        """Between two steps it waits while it is paused; only then does it give way in the middle of a stage."""
        await self._words.between_steps()
        if self._words.abort:
            return ABORT_ASKED
        if self._words.gives_way:
            return Trouble(f"{self._name(stage)}: it was paused there, between two steps", "outranked")
        return None

    async def _apply(self, step: StageStep) -> None:
        moved_before = self._traffic_moved
        self._traffic_moved = moved_before or isinstance(step.operation, Route)
        try:
            await self._changes.make(step)
        except FailureError as failure:
            if kind_of(failure) == "Moved":  # refused, so nothing of this step has happened
                self._traffic_moved = moved_before
            raise

    async def _check(self, stage: Stage, check: Check) -> Trouble | None:
        """What stands in the way of a change that was made, or a person who aborts meanwhile."""
        verdict = await self._words.unless_aborted(self._changes.check(check))
        return self._judge(stage, verdict) if verdict else ABORT_ASKED

    async def _watch(self, stage: Stage, gate: Gate) -> Trouble | None:
        """The same of what was measured behind the stage's changes, which whoever goes first need not wait for."""
        verdict = await self._words.unless_called_off(self._ask(gate))
        if verdict is None:
            cut = Trouble(f"{self._name(stage)}: its changes are made and checked, its gate was cut short", "outranked")
            return ABORT_ASKED if self._words.abort else cut
        if self._traffic_moved:
            self.health = verdict
            self._worse = verdict.shows_harm
        return self._judge(stage, verdict)

    def _judge(self, stage: Stage, verdict: Verdict) -> Trouble | None:
        self._journal.record("verdict", verdict)
        return None if verdict.passed else Trouble(f"{self._name(stage)}: {verdict.sentence}")

    async def _ask(self, asked: Gate) -> Verdict:
        scope, call = self._scope, self._regions.call
        match asked:
            case Soak():
                arm = asked.model_dump(exclude={"kind", "release"})
                title = f"gate: {asked.release} meets its objectives for {asked.seconds:g} s"
                return await call(analytics.SOAK, analytics.SoakRequest(**scope, arm=asked.release, **arm), title)
            case Compare():
                title = f"gate: {asked.release} beside those that serve: {asked.need}"
                deployed_at = self._rollback.state.deployed_at(self._rollback.bad)
                request = analytics.CompareRequest(
                    **scope, gate=asked, began_at=self._began_at, deployed_at=deployed_at
                )
                return await call(analytics.COMPARE, request, title)

    def _name(self, stage: Stage) -> str:
        return f"{self.service}, stage {stage.name}"

    def _full(self, stage: Stage) -> str:
        return stage_name(self.service, stage.name)
