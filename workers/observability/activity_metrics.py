"""Counts changes to production where they are made, by what each call of a driver came to; and predictions.

Calls are counted, not steps: an attempt that failed and the one that then succeeded are two.
"""

from __future__ import annotations

from typing import Any

from temporalio import activity, client, worker

from activities.breaker import contract as breaker
from activities.driver import Moved, Refused
from activities.mesh import contract as mesh
from activities.platform import contract as platform
from activities.predictor import contract as predictor
from models.lease import Lease
from models.prediction import Forecasts
from models.receipt import Outcome, Receipt
from workers.observability.metrics import ACTIONS, PREDICTIONS

CHANGING = {
    contract.name: contract.name.rpartition(".v")[0]
    for contract in (breaker.PROTECT, breaker.RELEASE, mesh.CHANGE, mesh.UNDO, platform.CHANGE, platform.UNDO)
}
"""The activities that change production, with what the metric calls them."""


class ActivityMetrics(client.Interceptor, worker.Interceptor):
    """Given to the client; the workers that are made from it take it over."""

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:
        return _Count(super().intercept_activity(next))


class _Count(worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        action = CHANGING.get(activity.info().activity_type)
        if action is None:
            result = await super().execute_activity(input)
            _count_predictions(result)
            return result
        try:
            result = await super().execute_activity(input)
        except Exception as error:
            ACTIONS.labels(action, _trouble(error)).inc()
            raise
        if outcome := outcome_of(result):
            ACTIONS.labels(action, outcome).inc()
        return result


def _count_predictions(result: object) -> None:
    match result:
        case Forecasts():
            counts = {
                "predicted": len(result.probabilities),
                "abstained": len(result.abstained),
                "alarm": len(result.alarms),
            }
        case predictor.Settled():
            counts = {"came-true": result.came_true, "in-vain": result.in_vain}
        case _:
            return
    for what, count in counts.items():
        PREDICTIONS.labels(result.region, what).inc(count)


def outcome_of(result: object) -> str | None:
    """What a change came to; none where nothing was changed, as when a policy approves no protection."""
    match result:
        case Receipt(outcome=outcome):
            return outcome
        case breaker.Protected(lease=lease):
            return Outcome.APPLIED if lease else None
        case Lease():
            return Outcome.RESTORED
        case _:
            return None


def _trouble(error: Exception) -> str:
    match error:
        case Moved():
            return "moved"
        case Refused():
            return "refused"
        case _:
            return "failed"
