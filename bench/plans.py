"""Plans that nothing has selected: they are measured."""

from __future__ import annotations

from models.plan import Expectation, Lane, RollbackPlan, ServiceRollback, Wave
from models.stage import Stage

NOTHING = Expectation(seconds=0, from_history=False, failed_requests=0, loss=0, loss_known=True)


def plan_of(service: ServiceRollback, stages: tuple[Stage, ...]) -> RollbackPlan:
    """One service goes back by itself, and nothing is wrong with it."""
    return RollbackPlan(
        strategy=service.strategy,
        services=(service,),
        waves=(Wave(lanes=(Lane(service=service.state.service, stages=stages),)),),
        expected=NOTHING,
        selected_because="it is measured",
    )
