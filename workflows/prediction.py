"""Predicting, and learning to predict. Schedules begin both: the one once an interval, the other once a day."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from temporalio import workflow
from temporalio.common import VersioningBehavior
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from workflows.prevention import PreventionWorkflow
from workflows.regions import retry_policy
from workflows.saga import describe

with workflow.unsafe.imports_passed_through():
    from activities.contract import Contract
    from activities.predictor import contract as predictor
    from models.base import Frozen
    from models.identity import MEMO, prevention_id
    from models.prediction import Forecasts
    from models.queues import LEARNING, WORKFLOWS, predicting

Argument = TypeVar("Argument", bound=Frozen)
Result = TypeVar("Result")


@workflow.defn(name="Prediction", versioning_behavior=VersioningBehavior.PINNED)
class PredictionWorkflow:
    """One look into the future of a region's services: measures, predicts, and settles what was predicted before.

    While no predictor pool polls it waits, and the schedule begins no other: a pool that comes back measures what is
    then. The schedule ends one that waits for too long, as where its build has gone for good.
    """

    @workflow.run
    async def run(self, start: predictor.RegionRequest) -> Forecasts:
        queue = predicting(start.region)
        measured = await call(queue, predictor.MEASURE, start)
        request = predictor.PredictRequest(**start.model_dump(), number=measured.number)
        forecasts = await call(queue, predictor.PREDICT, request)
        await call(queue, predictor.SETTLE, start)
        await asyncio.gather(
            *(
                _prevent(queue, predictor.AdviseRequest(catalog=start.catalog, alarm=alarm))
                for alarm in forecasts.alarms
            )
        )
        return forecasts


async def _prevent(queue: str, request: predictor.AdviseRequest) -> None:
    """Begin what the service's policy has for it, on its own: it goes on for as long as the horizon."""
    try:
        start = (await call(queue, predictor.ADVISE, request)).start
        if start is None:
            return
        await workflow.start_child_workflow(
            PreventionWorkflow.run,
            start,
            id=prevention_id(start.region, start.service),
            task_queue=WORKFLOWS,
            parent_close_policy=ParentClosePolicy.ABANDON,
            memo={MEMO: start.incident},
            static_summary=f"{start.service} in {start.region}: {start.risk.sentence}"[:200],
        )
    except WorkflowAlreadyStartedError:
        workflow.logger.info("a prevention of the service is under way; the alarm %s begins no other", request.alarm.id)
    except FailureError as failure:  # what is predicted of the others must not suffer from it
        workflow.logger.warning("nothing is done about the alarm %s: %s", request.alarm.id, describe(failure))


@workflow.defn(name="Learning", versioning_behavior=VersioningBehavior.PINNED)
class LearningWorkflow:
    """Lets a better version of the model take the place of the current one, and a worse one give its place back.

    Begun by a schedule, once a day. It ends after each decision: whether a promotion was right is seen by the next one,
    from what has happened since, and so nothing waits for a day in a workflow.
    """

    @workflow.run
    async def run(self, start: predictor.LearningRequest) -> str:
        examined = await call(LEARNING, predictor.EXAMINE, start)
        if examined.version is not None and examined.go_back is not None:
            await call(LEARNING, predictor.REFUSE, _word(examined.version, examined.go_back))
            return f"went back from version {examined.version}: {examined.go_back}"
        if examined.learn is None:
            return "nothing has changed"
        learned = await call(LEARNING, predictor.LEARN, start)
        if learned.version is None:
            return f"nothing was learned: {learned.because}"
        decided = predictor.PROMOTE if learned.better else predictor.REFUSE
        model = await call(LEARNING, decided, _word(learned.version, learned.because))
        return f"version {model.version} is {model.status}: {model.because}"


async def call(queue: str, contract: Contract[Argument, Result], argument: Argument) -> Result:
    return await workflow.execute_activity(
        contract.name,
        argument,
        task_queue=queue,
        result_type=contract.result,
        start_to_close_timeout=contract.timeout,
        heartbeat_timeout=contract.heartbeat,
        retry_policy=retry_policy(contract.attempts),
    )


def _word(version: int, because: str) -> predictor.VersionRequest:
    return predictor.VersionRequest(version=version, because=because)
