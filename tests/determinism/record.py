"""Record the histories that every change of a workflow must be able to replay.

    python -m tests.determinism.record [NAME ...]

plays real incidents in the small real world, with workers in this process, and replaces the files in ``histories/``, or
those of the named ones.
"""

from __future__ import annotations

import asyncio
import json
import sys
import sysconfig
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError

from activities.analytics.store import Store, migrate, open_store, prediction_models
from activities.predictor.advising import AdvisingActivities
from activities.predictor.contract import (
    PREDICT,
    Examined,
    Learned,
    LearningRequest,
    PredictRequest,
    RegionRequest,
)
from activities.predictor.learning_activities import Command, LearningActivities
from activities.predictor.measuring import MeasuringActivities
from activities.rollback.contract import lock_id
from models.alert import AlertReference, AlertStatus, Severity
from models.catalog import Level
from models.catalog_file import LoadedCatalog
from models.identity import correlation_key, new_incident_id, prevention_id
from models.incident import Approval, IncidentResult, IncidentStart, IncidentState, Phase
from models.prediction import Alarm, Forecasts
from models.prevention import Action
from models.prevention_run import PreventionPhase
from models.queues import LEARNING, predicting, regional
from models.queues import WORKFLOWS as NEUTRAL
from tests.saga import preventions
from tests.saga.preventions import begin
from tests.waiting import until
from tests.world.world import Mishap, World
from workers.conversion import data_converter
from workers.deployment.joining import join
from workers.local.world import REGION
from workers.registry import WORKFLOWS, local_activities, regional_activities
from workers.worker import TASK_TIMEOUT, build
from workflows.incident import IncidentWorkflow
from workflows.prediction import LearningWorkflow, PredictionWorkflow
from workflows.prevention import PreventionWorkflow

HISTORIES = Path(__file__).parent / "histories"
ROOT = Path(__file__).parents[2]
SOMEBODY = Approval(by="somebody", reason="for the record")
PATIENCE = 60
LEASE = 5.0
"""Seconds, in the world's policy."""
BUILD = "recorder"


@dataclass(frozen=True)
class Incident:
    """One incident that runs, and what a person may do to it."""

    start: IncidentStart
    handle: WorkflowHandle[IncidentWorkflow, IncidentResult]

    async def reaches(self, condition: Callable[[IncidentState], bool], what: str) -> None:
        async def reached() -> bool:
            return condition(await self.handle.query(IncidentWorkflow.state))

        await until(reached, PATIENCE, f"the incident {what}")

    @property
    def rollback(self) -> str:
        return f"rollback:{self.start.incident}:payments"

    async def ends(self, phase: Phase) -> None:
        result = await self.handle.result()
        assert result.phase is phase, f"{result.phase}: {result.sentence}"


@dataclass(frozen=True)
class Lock:
    """The lock of the service, as its history tells of it."""

    handle: WorkflowHandle[Any, Any]

    async def has(self, kind: EventType.ValueType, times: int, what: str) -> None:
        async def had() -> bool:
            with suppress(RPCError):  # nobody has asked for it yet
                return [event.event_type async for event in self.handle.fetch_history_events()].count(kind) >= times
            return False

        await until(had, PATIENCE, f"the lock {what}")


class Recorder:
    """Plays scenarios one after the other in one world."""

    def __init__(self, world: World, client: Client) -> None:
        self._world, self._client = world, client

    async def record(self, scenario: Scenario) -> None:
        """One incident from an untouched world; its history and its rollback's."""
        name, level = scenario.name, scenario.level
        print(f"recording {name}", file=sys.stderr, flush=True)
        self._world.mishaps.pending.clear()
        await self._world.serve("payments", "v1")
        await self._world.deploy(("payments", "v2"), fault=scenario.fault)
        await self._world.serve_v2()
        catalog = self._world.catalog if scenario.fault == "none" else self._world.with_breakers()
        async with self._world.users():
            incident = await self._start(level, scenario.severity, catalog)
            await scenario.play(self._world, incident)
        await self._keep(name, "incident", incident.handle.id)
        if level is not Level.ADVISE:
            await self._keep(name, "rollback", incident.rollback)
        if scenario.play is done:
            await self._keep(name, "lock", lock_id(REGION, "payments"))

    async def record_lock(self, name: str, play: Callable[[Client, Incident, Lock], Awaitable[None]]) -> None:
        """Two rollbacks of one service: one has the lock and does not go on, the other one waits; then *play*."""
        print(f"recording {name}", file=sys.stderr, flush=True)
        await self._world.serve_v2()
        async with self._world.users():
            waiter = await self._start(Level.PROTECT, Severity.CRITICAL, self._world.catalog)
            await waiter.reaches(lambda state: state.phase is Phase.AWAITING_APPROVAL, "waits for an approval")
            holder = await self._start(Level.FULL, Severity.CRITICAL, self._world.catalog)
            await holder.reaches(lambda state: state.phase is Phase.EXECUTING, "executes its plan")
            await holder.handle.execute_update(IncidentWorkflow.pause, SOMEBODY)
            lock = Lock(self._client.get_workflow_handle(lock_id(REGION, "payments")))
            await lock.has(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, 1, "is asked for")
            await waiter.handle.execute_update(IncidentWorkflow.approve, SOMEBODY)
            await lock.has(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, 2, "is asked for by another one")
            await play(self._client, holder, lock)
            await self._client.get_workflow_handle(waiter.rollback).result()
            await waiter.reaches(
                lambda state: state.phase in (Phase.AWAITING_APPROVAL, Phase.HELD, Phase.RESOLVED), "has had the lock"
            )
            with suppress(WorkflowUpdateFailedError, RPCError):  # it has ended by itself
                await waiter.handle.execute_update(IncidentWorkflow.abort, SOMEBODY)
            await waiter.handle.result()
        await self._keep(name, "lock", lock_id(REGION, "payments"))

    async def record_prevention(self, scenario: Preventing) -> None:
        """One prevention from an untouched world."""
        print(f"recording {scenario.name}", file=sys.stderr, flush=True)
        await self._world.serve_v2()
        start = preventions.argument(self._world, scenario.action, scenario.level, scenario.seconds)
        async with self._world.users():
            assert await begin(self._client, start)
            id = prevention_id(start.region, start.service)
            prevention = self._client.get_workflow_handle_for(PreventionWorkflow.run, id)
            await scenario.play(prevention, lambda: self._start(Level.FULL, Severity.CRITICAL, self._world.catalog))
            result = await prevention.result()
            assert result.phase is scenario.ends, f"{result.phase}: {result.sentence}"
        await self._keep(scenario.name, "prevention", prevention.id)

    async def record_prediction(self) -> None:
        """One look that raises an alarm, about which the policy has something to advise."""
        print("recording warned", file=sys.stderr, flush=True)
        await self._world.serve_v2()
        loaded = preventions.catalog(self._world, "advise")
        request = RegionRequest(region=REGION, catalog=loaded.digest)
        await self._client.execute_workflow(
            PredictionWorkflow.run, request, id="prediction", task_queue=NEUTRAL, task_timeout=TASK_TIMEOUT
        )
        prevention = self._client.get_workflow_handle_for(PreventionWorkflow.run, prevention_id(REGION, "payments"))
        await prevention.result()
        await self._keep("warned", "prediction", "prediction")

    async def record_learning(self) -> None:
        """The first version is promoted, and then a second one gives its place back."""
        for name in ("learned", "went-back"):
            print(f"recording {name}", file=sys.stderr, flush=True)
            await self._client.execute_workflow(
                LearningWorkflow.run, LearningRequest(), id=name, task_queue=NEUTRAL, task_timeout=TASK_TIMEOUT
            )
            await self._keep(name, "learning", name)

    async def _start(self, level: Level, severity: Severity, catalog: LoadedCatalog) -> Incident:
        start = IncidentStart(
            incident=new_incident_id(),
            region=REGION,
            service="payments",
            severity=severity,
            level=level,
            catalog=catalog.digest,
            policy=catalog.catalog.policy_of("payments"),
            received_at=datetime.now(UTC),
            reason="a history is recorded",
        )
        handle = await self._client.start_workflow(
            IncidentWorkflow.run,
            start,
            id=correlation_key(REGION, "payments", start.level),
            task_queue=NEUTRAL,
            task_timeout=TASK_TIMEOUT,
        )
        return Incident(start, handle)

    async def _keep(self, name: str, kind: str, workflow: str) -> None:
        handle = self._client.get_workflow_handle(workflow)
        await asyncio.wait_for(handle.result(), PATIENCE)
        text = json.dumps(json.loads((await handle.fetch_history()).to_json()), separators=(",", ":")) + "\n"
        (HISTORIES / f"{name}-{kind}.json").write_text(_without_places(text))


def _without_places(history: str) -> str:
    """The stack traces in it name files: relative to the repository, to what is installed, and to Python itself."""
    for place in (f"{sysconfig.get_path('purelib')}/", f"{ROOT}/", f"{sysconfig.get_path('stdlib')}/"):
        history = history.replace(place, "")
    return history


async def done(_world: World, incident: Incident) -> None:
    await incident.ends(Phase.RESOLVED)


async def approved(_world: World, incident: Incident) -> None:
    await incident.reaches(lambda state: state.phase is Phase.AWAITING_APPROVAL, "waits for an approval")
    await incident.handle.execute_update(IncidentWorkflow.approve, SOMEBODY)
    await incident.ends(Phase.RESOLVED)


async def advised(_world: World, incident: Incident) -> None:
    await incident.ends(Phase.ADVISED)


async def compensated(world: World, incident: Incident) -> None:
    """The switch is refused, what had been done is undone, and a person ends it."""
    world.mishaps.pending.append(Mishap(step="switch", action="change", kind="refused"))
    await incident.reaches(lambda state: state.hold is not None, "is held")
    await incident.handle.execute_update(IncidentWorkflow.abort, SOMEBODY)
    await incident.ends(Phase.ABORTED)


async def aborted(world: World, incident: Incident) -> None:
    """A person aborts once traffic has moved: everything is undone."""

    async def moved() -> bool:
        return (await world.routing()).weights == {"v1": 100, "v2": 0}

    await until(moved, PATIENCE, "traffic has moved")
    await incident.handle.execute_update(IncidentWorkflow.abort, SOMEBODY)
    await incident.ends(Phase.ABORTED)


async def retried(world: World, incident: Incident) -> None:
    """The retirement is refused while the target serves well, so it holds; then a person lets it try again."""
    world.mishaps.pending.append(Mishap(step="retire", action="change", kind="refused"))
    await incident.reaches(lambda state: state.hold is not None, "is held")
    world.mishaps.pending.clear()
    await incident.handle.execute_update(IncidentWorkflow.retry, SOMEBODY)
    await incident.ends(Phase.RESOLVED)


async def paused(_world: World, incident: Incident) -> None:
    await incident.reaches(lambda state: state.phase is Phase.EXECUTING, "executes its plan")
    await incident.handle.execute_update(IncidentWorkflow.pause, SOMEBODY)
    await incident.handle.execute_update(IncidentWorkflow.resume, SOMEBODY)
    await incident.ends(Phase.RESOLVED)


async def escalated(_world: World, incident: Incident) -> None:
    """It begins as a warning, and a critical alert of the same trouble joins it."""
    await incident.reaches(lambda state: state.phase is Phase.AWAITING_APPROVAL, "waits for an approval")
    now = datetime.now(UTC)
    alert = AlertReference(
        id=1,
        fingerprint="worse",
        status=AlertStatus.FIRING,
        severity=Severity.CRITICAL,
        starts_at=now,
        received_at=now,
    )
    await incident.handle.signal(IncidentWorkflow.alerts, [alert])
    await incident.reaches(lambda state: state.severity is Severity.CRITICAL, "is critical")
    await incident.handle.execute_update(IncidentWorkflow.approve, SOMEBODY)
    await incident.ends(Phase.RESOLVED)


async def tripped(world: World, incident: Incident) -> None:
    """The breakers before the failing service trip, are renewed, and are restored when it has gone back."""
    await incident.handle.execute_update(IncidentWorkflow.pause, SOMEBODY)
    await incident.reaches(lambda state: "trip-service" in [step.step for step in state.steps], "has tripped breakers")
    await asyncio.sleep(world.with_breakers().catalog.policy_of("payments").lease)
    await incident.handle.execute_update(IncidentWorkflow.resume, SOMEBODY)
    await incident.ends(Phase.RESOLVED)


async def contested(_client: Client, holder: Incident, lock: Lock) -> None:
    """The lock sees that its holder still runs, and is released by it."""
    await lock.has(EventType.EVENT_TYPE_MARKER_RECORDED, 1, "looks after its holder")
    await holder.handle.execute_update(IncidentWorkflow.resume, SOMEBODY)
    await holder.ends(Phase.RESOLVED)


async def abandoned(client: Client, holder: Incident, _lock: Lock) -> None:
    """The lock finds out that its holder is gone."""
    await holder.handle.terminate("for the record")
    await client.get_workflow_handle(holder.rollback).terminate("for the record")


@dataclass(frozen=True)
class Scenario:
    play: Callable[[World, Incident], Awaitable[None]]
    level: Level = Level.FULL
    severity: Severity = Severity.CRITICAL
    fault: str = "none"
    """What is wrong with v2; where something is, breakers may trip."""

    @property
    def name(self) -> str:
        return self.play.__name__


SCENARIOS = (
    Scenario(done),
    Scenario(approved, Level.PROTECT),
    Scenario(advised, Level.ADVISE),
    Scenario(compensated),
    Scenario(aborted),
    Scenario(retried),
    Scenario(paused),
    Scenario(escalated, Level.PROTECT, Severity.WARNING),
    Scenario(tripped, fault="errors"),
)

LOCKS = (contested, abandoned)


Begin = Callable[[], Awaitable[Incident]]
"""An incident."""


async def kept(_prevention: preventions.Running, _begin: Begin) -> None:
    """It is taken back after its horizon."""


async def foretold(_prevention: preventions.Running, _begin: Begin) -> None:
    """An incident is to begin, and a gateway does that."""


async def restarted(_prevention: preventions.Running, _begin: Begin) -> None:
    """There is nothing to take back."""


async def shed(prevention: preventions.Running, _begin: Begin) -> None:
    """Approved, renewed, and aborted by a person."""
    await preventions.until_phase(prevention, PreventionPhase.AWAITING_APPROVAL)
    await prevention.execute_update(PreventionWorkflow.approve, SOMEBODY)
    await preventions.until_phase(prevention, PreventionPhase.KEEPING)
    await asyncio.sleep(LEASE)
    await prevention.execute_update(PreventionWorkflow.abort, SOMEBODY)


async def outranked(prevention: preventions.Running, begin: Begin) -> None:
    """A rollback wants its lock."""
    await preventions.until_phase(prevention, PreventionPhase.KEEPING)
    incident = await begin()
    await incident.ends(Phase.RESOLVED)


@dataclass(frozen=True)
class Preventing:
    play: Callable[[preventions.Running, Begin], Awaitable[None]]
    action: Action
    ends: PreventionPhase
    level: str = "full"
    seconds: float = 2

    @property
    def name(self) -> str:
        return self.play.__name__


PREVENTIONS = (
    Preventing(kept, Action.SHIFT, PreventionPhase.UNDONE),
    Preventing(foretold, Action.ROLL_BACK, PreventionPhase.HANDED_OVER),
    Preventing(restarted, Action.RESTART, PreventionPhase.DONE),
    Preventing(shed, Action.SHED, PreventionPhase.ABORTED, "approve", 600),
    Preventing(outranked, Action.SCALE, PreventionPhase.HANDED_OVER, seconds=600),
)


class Foretold:
    """Stands in for the model, which would need weeks to learn: it warns of payments."""

    @activity.defn(name=PREDICT.name)
    async def predict(self, request: PredictRequest) -> Forecasts:
        now = datetime.now(UTC)
        alarm = Alarm(
            id=f"{REGION}/payments/{request.number}",
            region=REGION,
            service="payments",
            at=now,
            until=now + timedelta(minutes=30),
            model=1,
            probability=0.7,
            threshold=0.5,
        )
        return Forecasts(
            region=REGION,
            number=request.number,
            model=1,
            probabilities={"payments": 0.7},
            abstained={"ledger": "it has no history"},
            alarms=(alarm,),
        )


def examined(store: Store) -> Command:
    """Stands in for learning: a version is there and better, and once it predicts, the one before was."""

    async def command(name: str) -> str:
        current = prediction_models.current(store)
        if name == "examine":
            go_back = "its error is larger" if current else None
            learn = None if current else "nothing predicts yet"
            return Examined(
                version=current.version if current else None, go_back=go_back, learn=learn
            ).model_dump_json()
        model = prediction_models.add(store, "0" * 64, {}, b"a bundle", "learned", datetime.now(UTC))
        return Learned(version=model.version, better=True, because="the first version").model_dump_json()

    return command


@asynccontextmanager
async def recorder(folder: Path) -> AsyncGenerator[Recorder]:
    world = World(folder)
    try:
        await world.start_temporal()
        await world.start()
        # A history names the clients that wrote it, by default with the name of their machine.
        client = await Client.connect(world.temporal, data_converter=data_converter, identity="recorder")
        await join(client, BUILD)
        store = open_store(world.store)
        migrate(store)
        local = local_activities(world.directory, client)
        neutral = build(client, NEUTRAL, BUILD, workflows=WORKFLOWS, activities=local, remote_activities=False)
        own = build(client, regional(REGION), BUILD, activities=regional_activities(world.directory, store, client))
        measuring = MeasuringActivities(world.directory, store)
        advising = AdvisingActivities(world.directory, store)
        looks = [measuring.measure, measuring.settle, Foretold().predict, advising.advise]
        predicts = build(client, predicting(REGION), None, activities=looks)
        learning = LearningActivities(store, examined(store))
        decides = [learning.examine, learning.learn, learning.promote, learning.refuse]
        learns = build(client, LEARNING, None, activities=decides)
        async with neutral, own, predicts, learns:
            yield Recorder(world, client)
        store.close()
    finally:
        world.stop()


async def main(names: Sequence[str]) -> None:
    def wanted(name: str) -> bool:
        return not names or name in names

    HISTORIES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with recorder(Path(folder)) as recording:
            for scenario in SCENARIOS:
                if wanted(scenario.name):
                    await recording.record(scenario)
            for contest in LOCKS:
                if wanted(contest.__name__):
                    await recording.record_lock(contest.__name__, contest)
            for prevention in PREVENTIONS:
                if wanted(prevention.name):
                    await recording.record_prevention(prevention)
            if wanted("warned"):
                await recording.record_prediction()
            if wanted("learned"):
                await recording.record_learning()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
