"""A stand-in for the incident workflow: it keeps what it is told and ends when it is told to."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import VersioningBehavior
from temporalio.exceptions import ApplicationError

from workflows.alerts import Alerts
from workflows.search import SEVERITY, tag

with workflow.unsafe.imports_passed_through():
    from models.alert import AlertReference
    from models.incident import Approval, IncidentStart, IncidentState, Phase, StageApproval


class FirstAction:
    """The first protective action's place: remembers who was protected, in which order."""

    def __init__(self) -> None:
        self.starts: list[IncidentStart] = []

    @activity.defn(name="first-action")
    async def act(self, start: IncidentStart) -> None:
        self.starts.append(start)


@workflow.defn(name="Incident", versioning_behavior=VersioningBehavior.PINNED)
class StandIn:
    @workflow.init
    def __init__(self, start: IncidentStart) -> None:
        self._start = start
        self._alerts = Alerts(start.severity, start.alerts)
        self._messages = 0
        self._ended = False

    @workflow.run
    async def run(self, start: IncidentStart) -> str:
        tag({SEVERITY: start.severity})
        await workflow.execute_local_activity(
            "first-action", start, start_to_close_timeout=timedelta(seconds=5), summary="protect"
        )
        await workflow.wait_condition(lambda: self._ended)
        return start.incident

    @workflow.signal
    def alerts(self, alerts: list[AlertReference]) -> None:
        self._alerts.join(alerts)
        self._messages += 1

    @workflow.signal
    def end(self) -> None:
        self._ended = True

    @workflow.update
    async def abort(self, word: Approval) -> str:
        self._ended = True
        return f"aborted by {word.by}"

    @workflow.update
    async def approve(self, word: Approval) -> str:
        return "approved"

    @approve.validator
    def may_approve(self, word: Approval) -> None:
        raise ApplicationError(f"nothing waits for {word.by}", type="Refused", non_retryable=True)

    @workflow.update
    async def approve_stage(self, word: StageApproval) -> str:
        return f"{word.by} approved {word.stage} of {word.service}, plan {word.plan}"

    @workflow.update
    async def retry(self, word: Approval) -> str:
        return f"trying again: {word.reason}"

    @workflow.query
    def messages(self) -> int:
        return self._messages

    @workflow.query
    def had(self, alerts: list[AlertReference]) -> list[bool]:
        return [alert in self._alerts for alert in alerts]

    @workflow.query
    def state(self) -> IncidentState:
        return IncidentState(
            incident=self._start.incident,
            workflow=workflow.info().workflow_id,
            region=self._start.region,
            service=self._start.service,
            severity=self._alerts.severity,
            level=self._start.level,
            phase=Phase.RESOLVED if self._ended else Phase.EXECUTING,
            paused=False,
            hold=None,
            alerts=self._alerts.first,
            alerts_had=self._alerts.number,
            steps=(),
            plan=None,
            impact=None,
            verdict=None,
            milestones={},
        )
