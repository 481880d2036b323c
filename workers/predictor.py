"""The predictor's pool: what it runs, and the schedules that ask for it."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

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
    ScheduleUpdateInput,
)
from temporalio.exceptions import ApplicationError

from activities.analytics.store import Store
from activities.directory import Directory
from activities.predictor.advising import AdvisingActivities
from activities.predictor.contract import LearningRequest, RegionRequest
from activities.predictor.learning_activities import LearningActivities
from activities.predictor.measuring import MeasuringActivities
from activities.predictor.predicting import PredictingActivities
from models.base import Frozen
from models.catalog_file import LoadedCatalog
from models.queues import WORKFLOWS as NEUTRAL
from workers.worker import TASK_TIMEOUT
from workflows.prediction import LearningWorkflow, PredictionWorkflow

DAILY = timedelta(days=1)
"""Between two looks at the model."""
_CHILD = """
import sys
from workers.pool.process import end_with_parent
end_with_parent(int(sys.argv.pop(1)))
from workers.cli.main import run
run()
"""

PREDICTING_AT_MOST, LEARNING_AT_MOST = timedelta(minutes=20), timedelta(hours=20)
"""A run ends on the build that it began on. Where that has gone it would wait for ever, and no other would begin."""


def predicting_activities(directory: Directory, store: Store) -> list[Callable[..., Any]]:
    """What a process of the pool runs for its region."""
    measuring, predicting = MeasuringActivities(directory, store), PredictingActivities(directory, store)
    return [measuring.measure, measuring.settle, predicting.predict, AdvisingActivities(directory, store).advise]


def learning_activities(store: Store) -> list[Callable[..., Any]]:
    """What it runs for the model, which is one for all regions."""
    learning = LearningActivities(store, _command)
    return [learning.examine, learning.learn, learning.promote, learning.refuse]


def can_learn() -> bool:
    """Whether the extra ``learn`` is installed."""
    return all(find_spec(module) is not None for module in ("lightgbm", "onnx", "sklearn", "xgboost"))


async def schedule_predictions(client: Client, region: str, catalog: LoadedCatalog) -> None:
    """Let the region's services be looked at once an interval, by this catalog."""
    request = RegionRequest(region=region, catalog=catalog.digest)
    every = timedelta(seconds=catalog.catalog.prediction.interval)
    await _schedule(client, f"prediction:{region}", PredictionWorkflow.run, request, every, PREDICTING_AT_MOST)


async def schedule_learning(client: Client) -> None:
    """Let the model be looked at once a day."""
    await _schedule(client, "learning", LearningWorkflow.run, LearningRequest(), DAILY, LEARNING_AT_MOST)


async def _schedule(
    client: Client,
    name: str,
    run: Callable[..., Awaitable[Any]],
    request: Frozen,
    every: timedelta,
    at_most: timedelta,
) -> None:
    """A schedule that is there is changed, and stays paused where somebody has paused it. What was missed while
    Temporal was away is not made up for: a look tells of the present."""
    wanted = Schedule(
        action=ScheduleActionStartWorkflow(
            run, request, id=name, task_queue=NEUTRAL, execution_timeout=at_most, task_timeout=TASK_TIMEOUT
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=every),
    )

    def changed(there: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(schedule=replace(wanted, state=there.description.schedule.state))

    try:
        await client.create_schedule(name, wanted)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(name).update(changed)


async def _command(name: str) -> str:
    """``sternway predict NAME --json``, after everything else that wants the processor; what it prints. It ends with
    this process, however that ends."""
    argv = ("nice", sys.executable, "-c", _CHILD, str(os.getpid()), "predict", name, "--json")
    child = await asyncio.create_subprocess_exec(*argv, stdout=PIPE)
    try:
        printed, _ = await child.communicate()
    finally:
        with suppress(ProcessLookupError):
            child.kill()  # whoever asked does not wait any more
    # 1 is an answer as well, "no", and what Python ends with after a traceback.
    if child.returncode not in (0, 1) or not printed.strip():
        raise ApplicationError(f"sternway predict {name} has ended with status {child.returncode}; its log says why")
    return printed.decode()
