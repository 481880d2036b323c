"""What is known of the trouble, and the plan that was made from it: both anew as often as the world has moved."""

from __future__ import annotations

from collections.abc import Callable

from temporalio import workflow

from workflows.assessment import assess
from workflows.journal import Journal
from workflows.regions import Regions
from workflows.search import RELEASE, STRATEGY, tag
from workflows.standing import Standing

with workflow.unsafe.imports_passed_through():
    from activities.rollback import contract as rollback
    from models.assessment import Assessment
    from models.incident import Impact, IncidentStart, Milestone, Phase
    from models.plan import Plan
    from models.said import Said
    from models.scope import Scope


class Planning:
    """One incident's; the latest of each."""

    def __init__(
        self,
        start: IncidentStart,
        scope: Scope,
        regions: Regions,
        journal: Journal,
        protected: Callable[[], bool],
        standing: Standing,
    ) -> None:
        self._start = start
        self._scope = scope
        self._regions = regions
        self._journal = journal
        self._protected = protected
        self._standing = standing
        self._assessment: Assessment | None = None
        self.plan: Plan | None = None
        self.emergency_allowed_by: str | None = None
        """Who allows an emergency rollback in this attempt, where the policy does not."""

    @property
    def impact(self) -> Impact | None:
        """As it is assessed, or as the alert told of it."""
        return self._assessment.impact if self._assessment else self._start.impact

    async def plan_anew(self) -> Plan:
        self._standing.enter(Phase.ASSESSING)
        self._assessment = await assess(self._start, self._scope, self._regions)
        self._journal.record("assessment", self._assessment)
        self._standing.enter(Phase.PLANNING)
        request = rollback.PlanRequest(
            **self._scope.model_dump(),
            assessment=self._assessment,
            said=Said(began_at=self._start.received_at, emergency_allowed_by=self.emergency_allowed_by),
            protected=self._protected(),
        )
        self.plan = await self._regions.call(rollback.PLAN, request, f"plan the recovery of {self._start.service}")
        self._standing.reach(Milestone.PLANNED)
        self._tell_of(self.plan)
        return self.plan

    def _tell_of(self, plan: Plan) -> None:
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
