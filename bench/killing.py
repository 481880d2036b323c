"""Killing who has a workflow's work in hand, and reading in its history when somebody went on."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType, PendingActivityState

from bench.history import Handle, events, unix
from workers.local.readiness import until

PATIENCE = 20.0

TASK_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
TASK_STARTED = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED


@dataclass(frozen=True)
class Killed:
    """A kill, by this machine's clock."""

    at: float

    async def until_activity(self, handle: Handle, name: str = "") -> float:
        """Seconds until the first start of an activity (named *name*, where one is) after it."""
        history = await events(handle)
        scheduled = {
            e.event_id: e.activity_task_scheduled_event_attributes.activity_type.name
            for e in history
            if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        }
        for event in history:
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED and unix(event.event_time) > self.at:
                started = event.activity_task_started_event_attributes
                if scheduled[started.scheduled_event_id].startswith(name):
                    return unix(event.event_time) - self.at
        raise AssertionError(f"no {name or 'activity'} was started after the kill")

    async def until_marker(self, handle: Handle) -> float:
        """Seconds until the result of a local activity is in the history."""

        async def recorded() -> bool:
            return any(e.event_type == EventType.EVENT_TYPE_MARKER_RECORDED for e in await events(handle))

        await until(recorded, PATIENCE, "the local activity's result is in the history")
        markers = [e for e in await events(handle) if e.event_type == EventType.EVENT_TYPE_MARKER_RECORDED]
        return unix(markers[0].event_time) - self.at


def kill(pid: int) -> Killed:
    at = time.time()
    os.kill(pid, signal.SIGKILL)
    return Killed(at)


async def at_rest(handle: Handle) -> None:
    """Wait until the workflow waits for nothing but a signal."""
    seen = [0, 0]

    async def resting() -> bool:
        history, description = await events(handle), await handle.describe()
        idle = history[-1].event_type == TASK_COMPLETED and not description.raw_description.pending_activities
        seen[:] = [seen[1], len(history) if idle else 0]
        return idle and seen[0] == seen[1]

    await until(resting, PATIENCE, "the workflow is at rest")


async def holder(handle: Handle) -> int:
    """The process that had its last workflow task, and has it in its cache."""
    done = [e for e in await events(handle) if e.event_type == TASK_COMPLETED]
    return pid_of(done[-1].workflow_task_completed_event_attributes.identity)


async def in_task(handle: Handle) -> int:
    """Wait until a process has a workflow task in hand; which one."""
    pids: list[int] = []

    async def started() -> bool:
        last = (await events(handle))[-1]
        if last.event_type == TASK_STARTED:
            pids.append(pid_of(last.workflow_task_started_event_attributes.identity))
        return bool(pids)

    await until(started, PATIENCE, "a workflow task is in hand")
    return pids[0]


async def in_activity(handle: Handle, name: str = "") -> int:
    """Wait until a process runs an activity (named *name*, where one is); which one."""
    pids: list[int] = []

    async def started() -> bool:
        pids[:] = [
            pid_of(pending.last_worker_identity)
            for pending in (await handle.describe()).raw_description.pending_activities
            if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
            and pending.activity_type.name.startswith(name)
        ]
        return bool(pids)

    await until(started, PATIENCE, f"{name or 'an activity'} runs")
    return pids[0]


async def scheduled(handle: Handle, name: str) -> int:
    """How many activities of that name the workflow has asked for."""
    return sum(
        e.activity_task_scheduled_event_attributes.activity_type.name.startswith(name)
        for e in await events(handle)
        if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    )


def pid_of(identity: str) -> int:
    """The SDK's identity of a worker is ``pid@host``."""
    return int(identity.partition("@")[0])
