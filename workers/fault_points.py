"""The fault points of what goes through Temporal: each activity's begin and end, each start, signal and update."""

from __future__ import annotations

from typing import Any

from temporalio import activity, client, worker

from activities import fault_points


class TemporalFaultPoints(client.Interceptor, worker.Interceptor):
    """Given to the client only where a chaos run listens; the workers that are made from it take it over."""

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        return _Sending(super().intercept_client(next))

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:
        return _Running(super().intercept_activity(next))


class _Running(worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        name, subject = activity.info().activity_type, _subject(input.args)
        fault_points.reached(f"{name} begins", subject)
        result = await super().execute_activity(input)
        fault_points.reached(f"{name} ends", subject)
        return result


class _Sending(client.OutboundInterceptor):
    async def start_workflow(self, input: client.StartWorkflowInput) -> client.WorkflowHandle[Any, Any]:
        fault_points.reached(f"start {input.workflow} begins")
        handle = await super().start_workflow(input)
        fault_points.reached(f"start {input.workflow} ends")
        return handle

    async def signal_workflow(self, input: client.SignalWorkflowInput) -> None:
        fault_points.reached(f"signal {input.signal} begins")
        await super().signal_workflow(input)
        fault_points.reached(f"signal {input.signal} ends")

    async def start_workflow_update(self, input: client.StartWorkflowUpdateInput) -> client.WorkflowUpdateHandle[Any]:
        fault_points.reached(f"update {input.update} begins")
        handle = await super().start_workflow_update(input)
        fault_points.reached(f"update {input.update} ends")
        return handle


def _subject(arguments: Any) -> str:
    """What tells two calls of one activity apart: the step, the gate, or the release that is watched."""
    request = arguments[0] if arguments else None
    if key := getattr(request, "key", None):
        return str(key)
    if gate := getattr(request, "gate", None):
        return f"{gate.kind} {getattr(gate, 'release', '')}".rstrip()
    arm = getattr(request, "arm", None)
    return str(arm or "")
