"""A look of the predictor, with Temporal: what it asks in which order, and the schedule that begins it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio import activity
from temporalio.client import ScheduleActionStartWorkflow

from activities.predictor.contract import (
    ADVISE,
    MEASURE,
    PREDICT,
    SETTLE,
    Advice,
    AdviseRequest,
    Measured,
    PredictRequest,
    RegionRequest,
    Settled,
)
from models.prediction import Alarm, Forecasts
from models.queues import WORKFLOWS as NEUTRAL
from models.queues import predicting
from tests.saga.conftest import Rollbacks
from tests.saga.preventions import catalog
from workers.local.world import REGION
from workers.predictor import PREDICTING_AT_MOST, schedule_predictions
from workers.worker import TASK_TIMEOUT, build
from workflows.prediction import PredictionWorkflow

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVICES = ("payments", "ledger", "orders")


class Predictor:
    """Warns of three services. Advising fails as while a control plane is away, until it was asked for all of them."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tries: dict[str, int] = {}
        self.all_asked = asyncio.Event()

    @activity.defn(name=MEASURE.name)
    async def measure(self, _request: RegionRequest) -> Measured:
        return Measured(number=1, services=3, missing={})

    @activity.defn(name=PREDICT.name)
    async def predict(self, _request: PredictRequest) -> Forecasts:
        now = datetime.now(UTC)
        alarms = tuple(
            Alarm(
                id=f"{REGION}/{service}/1",
                region=REGION,
                service=service,
                at=now,
                until=now + timedelta(minutes=30),
                model=1,
                probability=0.7,
                threshold=0.5,
            )
            for service in SERVICES
        )
        return Forecasts(region=REGION, number=1, model=1, probabilities={}, abstained={}, alarms=alarms)

    @activity.defn(name=SETTLE.name)
    async def settle(self, _request: RegionRequest) -> Settled:
        self.asked.append("settle")
        return Settled(region=REGION, came_true=0, in_vain=0)

    @activity.defn(name=ADVISE.name)
    async def advise(self, request: AdviseRequest) -> Advice:
        service = request.alarm.service
        self.asked.append(service)
        self.tries[service] = self.tries.get(service, 0) + 1
        if self.tries.keys() == {*SERVICES}:
            self.all_asked.set()
        await self.all_asked.wait()
        if self.tries[service] < 5:
            raise ConnectionError("the control plane is away")
        return Advice(start=None)


async def test_alarms_are_settled_first_and_then_advised_side_by_side_until_it_is_possible(
    rollbacks: Rollbacks,
) -> None:
    predictor = Predictor()
    parts = [predictor.measure, predictor.predict, predictor.settle, predictor.advise]
    request = RegionRequest(region=REGION, catalog=catalog(rollbacks.world, "advise").digest)
    async with build(rollbacks.client, predicting(REGION), None, activities=parts):
        await rollbacks.client.execute_workflow(
            PredictionWorkflow.run, request, id="a-look", task_queue=NEUTRAL, task_timeout=TASK_TIMEOUT
        )
    assert predictor.asked[0] == "settle"
    assert predictor.tries == dict.fromkeys(SERVICES, 5)


async def test_its_schedule_ends_a_look_that_waits_for_ever_and_stays_paused(rollbacks: Rollbacks) -> None:
    loaded = catalog(rollbacks.world, "advise")
    handle = rollbacks.client.get_schedule_handle("prediction:nowhere")
    await schedule_predictions(rollbacks.client, "nowhere", loaded)
    try:
        await handle.pause(note="a test")
        await schedule_predictions(rollbacks.client, "nowhere", loaded)
        schedule = (await handle.describe()).schedule
        assert (schedule.state.paused, schedule.state.note) == (True, "a test")
        assert isinstance(schedule.action, ScheduleActionStartWorkflow)
        assert schedule.action.execution_timeout == PREDICTING_AT_MOST
    finally:
        await handle.delete()
