"""Plans that nothing has selected: they are measured."""

from __future__ import annotations

from collections.abc import Sequence

from activities.rollback.strategies import emergency, staged
from models.plan import Expectation, RollbackPlan, ServiceRollback
from models.stage import Stage

NOTHING = Expectation(seconds=0, from_history=False, failed_requests=0, loss=0, loss_known=True)

Back = tuple[ServiceRollback, tuple[Stage, ...]]
"""One service's way back, and its stages."""


def plan_of(strategy: str, back: Sequence[Back], levels: Sequence[Sequence[str]]) -> RollbackPlan:
    """*levels*: the services, in the order in which they go back."""
    return RollbackPlan(
        strategy=strategy,
        services=tuple(service for service, _ in back),
        waves=staged.in_waves({service.state.service: stages for service, stages in back}, levels),
        priority=emergency.PRIORITY if strategy == emergency.NAME else 0,
        expected=NOTHING,
        selected_because="it is measured",
    )
