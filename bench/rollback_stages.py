"""How long each stage of a rollback takes: as it ran, and its floor, the same operations and checks called bare."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from itertools import islice

from activities.analytics import contract as analytics
from activities.directory import Directory
from activities.mesh import contract as mesh
from activities.mesh.activities import judge_routing
from activities.platform import contract as platform
from activities.platform.activities import judge_ready
from activities.rollback import contract as rollback
from bench.history import Activity
from models.identity import Key
from models.plan import RollbackPlan
from models.rollback import stage_name
from models.scope import Scope
from models.stage import Check, Drained, Ready, Routed, Stage, StageStep
from workflows.operations import change_of

LOOK_EVERY = 0.01
"""Seconds between two looks of the floor: ten times as often as the checks look, so that their pauses count as ours."""

GATES = {analytics.SOAK.name, analytics.COMPARE.name}
OF_STAGES = {mesh.CHANGE.name, platform.CHANGE.name, platform.READY.name, mesh.ROUTED.name, mesh.DRAINED.name, *GATES}

Seconds = dict[str, float]
"""By stage, as :func:`~models.rollback.stage_name` has it."""


def as_run(plan: RollbackPlan, ran: Sequence[Activity]) -> Seconds:
    """Of a rollback that was done. What its gates watched is left out; that they were asked and answered is not.

    A stage begins when what came before it has ended: the stage before, the wave before, or the look whether the plan
    is still true.
    """
    seconds: Seconds = {}
    of_service = {
        one.state.service: iter([a for a in ran if a.name in OF_STAGES and a.argument["service"] == one.state.service])
        for one in plan.services
    }
    barrier = next(a.completed for a in ran if a.name == rollback.PRECHECK.name)
    for wave in plan.waves:
        ends: list[float] = []
        for lane in wave.lanes:
            began = barrier
            for stage in lane.stages:
                own = [*islice(of_service[lane.service], _calls(stage))]
                ended = own[-1].completed
                watched = sum(a.completed - a.started for a in own if a.name in GATES)
                seconds[stage_name(lane.service, stage.name)] = ended - began - watched
                began = ended
            ends.append(began)
        barrier = max(ends)
    return seconds


def _calls(stage: Stage) -> int:
    """How many activities a stage is."""
    return sum(2 if step.check else 1 for step in stage.steps) + (stage.gate is not None)


async def bare(directory: Directory, plan: RollbackPlan, scope: Scope) -> Seconds:
    """The same waves, with nothing around the drivers. A gate's time passes, so that the fleet is as it would be then,
    and is not counted."""
    seconds: Seconds = {}

    async def run(service: str, stages: Iterable[Stage]) -> None:
        at = scope.at(service)
        for stage in stages:
            began = time.perf_counter()
            for step in stage.steps:
                await _change(directory, at, step)
                if step.check:
                    await _wait_for(directory, at, step.check)
            seconds[stage_name(service, stage.name)] = time.perf_counter() - began
            if stage.gate:
                await asyncio.sleep(stage.gate.seconds)

    for wave in plan.waves:
        await asyncio.gather(*(run(lane.service, lane.stages) for lane in wave.lanes))
    return seconds


async def _change(directory: Directory, at: Scope, step: StageStep) -> None:
    change = change_of(step.operation)
    key = Key(incident=at.incident, step=f"{at.service}.{step.id}")
    if change.module == "mesh":
        await (await directory.mesh(at)).change(key, at.service, change.fields, None)
    else:
        await (await directory.platform(at)).change(key, at.region, at.service, change.fields, None)


async def _wait_for(directory: Directory, at: Scope, check: Check) -> None:
    async with asyncio.timeout(check.timeout):
        while not await _holds(directory, at, check):  # noqa: ASYNC110 -- nobody tells when it holds
            await asyncio.sleep(LOOK_EVERY)


async def _holds(directory: Directory, at: Scope, check: Check) -> bool:
    match check:
        case Ready():
            workload = await (await directory.platform(at)).read(at.region, at.service)
            return judge_ready(check, workload.ready).passed
        case Routed():
            routing = await (await directory.mesh(at)).read(at.service)
            return judge_routing(check, routing.weights, routing.missing).passed
        case Drained():
            return await (await directory.telemetry(at)).in_flight(at.service, check.release) == 0
