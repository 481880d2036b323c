"""Handing alerts to their incident in Temporal: start it, or signal the one that runs already, and never both.

A start with the correlation as workflow id decides, in the server, who of several gateways opens the incident.
Alerts of which nobody knows whether they arrived are looked for in the last run's state before another one begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.common import PinnedVersioningOverride, WorkerDeploymentVersion, WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.analytics.store.deliveries import StoredAlert
from models.alert import BY_URGENCY, AlertStatus, Severity
from models.base import SternwayError
from models.identity import MEMO
from models.incident import IncidentStart
from models.queues import WORKFLOWS
from workers.deployment.joining import DEPLOYMENT
from workers.gateway.lanes import first_firing
from workers.gateway.opening import protects, references
from workers.observability.logs import logger
from workers.worker import TASK_TIMEOUT
from workflows.search import SEVERITY

RPC_TIMEOUT = timedelta(seconds=5)
IN_ONE_MESSAGE = 250
"""Alerts; see :data:`workers.gateway.opening.LONGEST_SUMMARY`."""
ROUNDS = 5
"""How often an incident may close under our hands before the alerts are put back."""

MOST_EVENTS, MOST_BYTES = 10_240, 10 * 1024 * 1024
"""Of a run's history: Temporal warns here, and ends a workflow at five times as much. A longer one is told nothing more
of alerts that change nothing; they are its own in the store all the same."""

NOT_OPEN = "resolved, and no incident was open"


@dataclass(frozen=True)
class Handed:
    """What became of these alerts. No incident: they were set aside, for this reason."""

    alerts: tuple[StoredAlert, ...]
    incident: str | None
    run: str | None = None
    reason: str = ""
    opened: bool = False
    at: datetime = field(default_factory=partial(datetime.now, UTC))


@dataclass(frozen=True)
class Beginning:
    """How this gateway begins an incident."""

    argument: Callable[[Sequence[StoredAlert]], IncidentStart]
    page: Callable[[str], str]
    """The link to an incident, by its id: the Temporal UI shows it with the workflow."""
    build: str
    """Our own, current or not: the worker in this process can always run what we begin (decision 0011)."""


class Restless(SternwayError):
    """Incidents of this correlation began and ended faster than alerts could be handed to them."""


class Unknown(SternwayError):
    """Temporal has not met our build yet: that takes about a second from the very first poll of a build."""


async def hand_over(
    client: Client, key: str, alerts: Sequence[StoredAlert], beginning: Beginning, *, suspect: bool
) -> list[Handed]:
    """Give *alerts*, oldest first, to the incident under *key*, which is begun where none runs.

    Raises :class:`~temporalio.service.RPCError` where Temporal did not answer: what became of the call is unknown, and
    the next attempt must say *suspect*; so must it after :class:`Unknown`, to be made a moment later.
    """
    handed: list[Handed] = []
    left = list(alerts)
    for _ in range(ROUNDS):
        # One that runs is told again and none is begun: should it end meanwhile, the next round asks what it had.
        runs = suspect and await _running(client, key) is not None
        if suspect and not runs and (seen := await _seen(client, key, left)):
            handed.append(seen)
            had = {stored.id for stored in seen.alerts}
            left = [stored for stored in left if stored.id not in had]
        first = first_firing(left)
        if first is not None and not runs:
            chosen = tuple(left[first : first + IN_ONE_MESSAGE])
            if opened := await _open(client, key, chosen, beginning):
                # Resolved before the incident began: it must not take them for news about itself.
                handed += [opened, *_set_aside(left[:first])]
                left = left[first + IN_ONE_MESSAGE :]
        if left and (running := await _running(client, key)):
            handed += (joined := await _signal(running, left))
            left = left[sum(len(part.alerts) for part in joined) :]
        elif first is None:
            handed += _set_aside(left)
            left = []
        if not left:
            return handed
    raise Restless(f"the incidents of {key} end faster than alerts can be handed to them; the alerts stay pending")


async def _open(client: Client, key: str, alerts: tuple[StoredAlert, ...], beginning: Beginning) -> Handed | None:
    """Begin the incident; none where one runs already."""
    start = beginning.argument(alerts)
    try:
        handle = await client.start_workflow(
            "Incident",
            start,
            id=key,
            task_queue=WORKFLOWS,
            # A first task that protects is this process's own, and at once; others' go to whoever has time.
            request_eager_start=protects(start),
            versioning_override=PinnedVersioningOverride(WorkerDeploymentVersion(DEPLOYMENT, beginning.build)),
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            task_timeout=TASK_TIMEOUT,
            memo={MEMO: start.incident},
            static_summary=f"{start.service} in {start.region}: {start.reason}"[:200],
            static_details=f"[{start.incident} at the gateway]({beginning.page(start.incident)})",
            rpc_timeout=RPC_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        return None
    except RPCError as error:
        if error.status is RPCStatusCode.FAILED_PRECONDITION:
            raise Unknown(f"no incident can begin on build {beginning.build} yet: {error.message}") from error
        raise
    return Handed(alerts, start.incident, run=handle.first_execution_run_id, opened=True)


@dataclass(frozen=True)
class _Run:
    handle: WorkflowHandle[Any, Any]
    description: WorkflowExecutionDescription

    @property
    def full(self) -> bool:
        history = self.description.raw_info
        return history.history_length >= MOST_EVENTS or history.history_size_bytes >= MOST_BYTES

    def changed_by(self, stored: StoredAlert) -> bool:
        """Whether the alert is more urgent than the incident is."""
        severity = self.description.typed_search_attributes.get(SEVERITY)
        urgency = BY_URGENCY.index(Severity(severity)) if severity else len(BY_URGENCY)
        return stored.alert.status is AlertStatus.FIRING and BY_URGENCY.index(stored.alert.severity) < urgency

    async def incident(self) -> str:
        return await self.description.memo_value(MEMO, "", type_hint=str)


async def _last(client: Client, key: str) -> _Run | None:
    try:
        description = await client.get_workflow_handle(key).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return _Run(client.get_workflow_handle(key, run_id=description.run_id), description)


async def _running(client: Client, key: str) -> _Run | None:
    last = await _last(client, key)
    return last if last and last.description.status is WorkflowExecutionStatus.RUNNING else None


async def _signal(run: _Run, alerts: Sequence[StoredAlert]) -> list[Handed]:
    """Signal as many of *alerts* as the run takes: it may end at any moment."""
    incident = await run.incident()
    joined: list[Handed] = []
    for part in _parts(alerts):
        told = [stored for stored in part if not run.full or run.changed_by(stored)]
        try:
            if told:
                await run.handle.signal("alerts", list(references(told)), rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return joined
            raise
        joined.append(Handed(part, incident, run=run.handle.run_id))
    return joined


async def _seen(client: Client, key: str, alerts: Sequence[StoredAlert]) -> Handed | None:
    """Those of *alerts* that the last incident had when it ended. A running one is simply told again."""
    last = await _last(client, key)
    if last is None or last.description.status is WorkflowExecutionStatus.RUNNING:
        return None
    closed = last.description.close_time
    while_open = [stored for stored in alerts if closed is None or stored.received_at <= closed]
    if not while_open:
        return None
    try:
        had = await _had(last, while_open)
    except WorkflowQueryFailedError as error:
        logger(__name__).warning("the last incident cannot be asked which alerts it had", key=key, reason=str(error))
        return None
    known = tuple(stored for stored, was in zip(while_open, had, strict=True) if was)
    return Handed(known, await last.incident(), run=last.handle.run_id) if known else None


async def _had(run: _Run, alerts: Sequence[StoredAlert]) -> list[bool]:
    had: list[bool] = []
    for part in _parts(alerts):
        had += await run.handle.query("had", list(references(part)), result_type=list[bool], rpc_timeout=RPC_TIMEOUT)
    return had


def _set_aside(alerts: Sequence[StoredAlert]) -> list[Handed]:
    return [Handed(tuple(alerts), None, reason=NOT_OPEN)] if alerts else []


def _parts(alerts: Sequence[StoredAlert]) -> Iterator[tuple[StoredAlert, ...]]:
    for start in range(0, len(alerts), IN_ONE_MESSAGE):
        yield tuple(alerts[start : start + IN_ONE_MESSAGE])
