"""What a workflow's history says: which activities it ran, and when, by the clock of its server on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle

Handle = WorkflowHandle[Any, Any]


@dataclass(frozen=True)
class Activity:
    """One that was completed; times are Unix ones."""

    name: str
    argument: Mapping[str, Any]
    scheduled: float
    started: float
    """Its last attempt."""
    completed: float


async def events(handle: Handle) -> list[HistoryEvent]:
    return [*(await handle.fetch_history()).events]


def activities(history: Sequence[HistoryEvent]) -> list[Activity]:
    """In the order in which the workflow asked for them."""
    by_id = {event.event_id: event for event in history}
    found: list[Activity] = []
    for event in history:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            completed = event.activity_task_completed_event_attributes
            scheduled = by_id[completed.scheduled_event_id]
            asked = scheduled.activity_task_scheduled_event_attributes
            found.append(
                Activity(
                    name=asked.activity_type.name,
                    argument=json.loads(asked.input.payloads[0].data),
                    scheduled=unix(scheduled.event_time),
                    started=unix(by_id[completed.started_event_id].event_time),
                    completed=unix(event.event_time),
                )
            )
    return sorted(found, key=lambda activity: activity.scheduled)


def unix(time: Timestamp) -> float:
    return time.ToDatetime(UTC).timestamp()
