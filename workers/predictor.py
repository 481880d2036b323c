"""The predictor's pool: what it runs, and the schedule by which its region is looked at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from activities.predictor.predicting import PredictingActivities
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
)

from activities.analytics.store import Store
from activities.directory import Directory
from activities.predictor.contract import RegionRequest
from activities.predictor.measuring import MeasuringActivities
from models.catalog_file import LoadedCatalog
from models.queues import WORKFLOWS as NEUTRAL
from workers.worker import TASK_TIMEOUT
from workflows.prediction import PredictionWorkflow


def predictor_activities(directory: Directory, store: Store) -> list[Callable[..., Any]]:
    """What one process of the pool runs."""
    measuring, predicting = MeasuringActivities(directory, store), PredictingActivities(directory, store)
    return [measuring.measure, measuring.settle, predicting.predict]


def schedule_id(region: str) -> str:
    return f"predictions:{region}"


async def schedule(client: Client, region: str, catalog: LoadedCatalog) -> None:
    """Let the region's services be looked at once an interval, by this catalog; a schedule that is there is changed.

    What was missed while Temporal was away is not made up for: a look tells of the present.
    """
    every = timedelta(seconds=catalog.catalog.prediction.interval)
    wanted = Schedule(
        action=ScheduleActionStartWorkflow(
            PredictionWorkflow.run,
            RegionRequest(region=region, catalog=catalog.digest),
            id=f"prediction:{region}",
            task_queue=NEUTRAL,
            task_timeout=TASK_TIMEOUT,
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=every),
    )
    try:
        await client.create_schedule(schedule_id(region), wanted)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(schedule_id(region)).update(lambda _: ScheduleUpdate(schedule=wanted))
