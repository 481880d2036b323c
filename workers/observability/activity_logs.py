"""Binds the incident and the step of a running activity to every log line that it causes."""

from __future__ import annotations

from typing import Any

from temporalio import activity, client, worker

from workers.observability.logs import about


class ActivityLogs(client.Interceptor, worker.Interceptor):
    """Given to the client; the workers that are made from it take it over."""

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:
        return _Bind(super().intercept_activity(next))


class _Bind(worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        info = activity.info()
        argument = input.args[0] if input.args else None
        key = getattr(argument, "key", None)
        with about(
            incident=_text(argument, "incident") or _text(key, "incident"),
            step=_text(argument, "step") or _text(key, "step"),
            activity=info.activity_type,
            workflow=info.workflow_id or "",
        ):
            return await super().execute_activity(input)


def _text(value: object, name: str) -> str | None:
    found = getattr(value, name, None)
    return found if isinstance(found, str) else None
