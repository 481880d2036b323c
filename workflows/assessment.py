"""Assessing an incident: the modules that are switched on are asked at the same time, and none of them can stop it."""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from workflows.regions import Argument, Regions, Result
from workflows.saga import describe

with workflow.unsafe.imports_passed_through():
    from activities.analytics import contract as analytics
    from activities.contract import Contract
    from activities.predictor import contract as predictor
    from activities.propagation import contract as propagation
    from activities.rollback import contract as rollback
    from models.assessment import Assessment, Projection
    from models.incident import IncidentStart
    from models.observation import Observation
    from models.scope import Scope


async def assess(start: IncidentStart, scope: Scope, regions: Regions) -> Assessment:
    """What is known after a moment's look. What could not be asked is missing, and missing is not healthy."""
    ask = _Questions(regions)
    (observation, projection), spread, survey = await asyncio.gather(
        _observe_and_project(start, scope, ask),
        ask(start.modules.propagation, propagation.SPREAD, scope, f"who depends on {scope.service}?"),
        ask(start.modules.rollback, rollback.SURVEY, scope, f"what else may have to go back with {scope.service}?"),
    )
    return Assessment(observation=observation, spread=spread, projection=projection, survey=survey)


async def _observe_and_project(
    start: IncidentStart, scope: Scope, ask: _Questions
) -> tuple[Observation | None, Projection | None]:
    observe = analytics.ObserveRequest(**scope.model_dump(), seconds=analytics.OBSERVE_SECONDS)
    observation = await ask(start.modules.analytics, analytics.OBSERVE, observe, f"how is {scope.service} doing?")
    project = predictor.ProjectRequest(**scope.model_dump(), observation=observation, impact=start.impact)
    projection = await ask(start.modules.predictor, predictor.PROJECT, project, "what if nothing is done?")
    return observation, projection


class _Questions:
    """Asks a module that is switched on; an answer that cannot be had is none."""

    def __init__(self, regions: Regions) -> None:
        self._regions = regions

    async def __call__(
        self, switched_on: bool, contract: Contract[Argument, Result], argument: Argument, summary: str
    ) -> Result | None:
        if not switched_on:
            return None
        try:
            return await self._regions.call(contract, argument, summary)
        except FailureError as failure:
            if is_cancelled_exception(failure):  # nobody wants to know any more
                raise
            workflow.logger.warning("assessing without %s: %s", contract.name, describe(failure))
            return None
