"""Making the plan: a pure function of the state of the world, the policy and what is known of the service."""

from __future__ import annotations

from collections.abc import Sequence

from activities.rollback.preview import preview
from activities.rollback.selection import STRATEGIES, select
from activities.rollback.target import way_back
from models.assessment import Assessment
from models.catalog import RollbackPolicy
from models.plan import (
    ConfirmWork,
    LiftWork,
    Plan,
    PlanStep,
    RollbackPlan,
    RollbackWork,
    ServiceRollback,
    VerifyWork,
)
from models.service_state import ServiceState
from models.stage import Scale


def make_plan(
    incident: str,
    state: ServiceState,
    known: Sequence[str],
    policy: RollbackPolicy,
    assessment: Assessment,
    protected: bool,
) -> Plan:
    """Roll back, verify, lift the protection, confirm; or the reason why a person is needed."""
    way = way_back(state, known)
    selection = select(state, way.target)
    if selection.strategy is None or way.target is None or way.bad is None:
        return Plan(incident=incident, steps=(), hold=way.sentence, rejected=selection.rejected)
    stages = STRATEGIES[selection.strategy](state, way.target, way.bad, policy)
    own = ServiceRollback(
        strategy=selection.strategy,
        target=way.target,
        bad=way.bad,
        state=state,
        policy=policy,
        before=assessment.health(way.bad),
    )
    rollback = RollbackPlan.of_one(own, stages, f"{selection.because}; {way.sentence}")
    steps = _steps(rollback, protected)
    return Plan(incident=incident, steps=steps, rejected=selection.rejected, preview=preview(rollback, steps))


def _steps(rollback: RollbackPlan, protected: bool) -> tuple[PlanStep, ...]:
    """The services go back together, and each is verified and confirmed for itself. The protection is the own one's."""
    own = rollback.own.state.service
    services = ", ".join(f"{one.state.service} back to {one.target}" for one in rollback.services)
    roll_back = PlanStep(
        id=f"rollback-{own}",
        title=f"roll {services}",
        module="rollback",
        priority=100,
        work=RollbackWork(rollback=rollback),
    )
    verify = [_verify(rollback, one, roll_back.id) for one in rollback.services]
    verified = tuple(step.id for step in verify)
    lift = PlanStep(
        id=f"lift-{own}",
        title=f"lift the protection of {own}",
        module="breaker",
        priority=40,
        depends_on=verified,
        work=LiftWork(),
    )
    confirm = [_confirm(one, (lift.id,) if protected else verified) for one in rollback.services]
    return (roll_back, *verify, *([lift] if protected else []), *confirm)


def _verify(rollback: RollbackPlan, one: ServiceRollback, after: str) -> PlanStep:
    service = one.state.service
    operations = [step.operation for stage in rollback.stages_of(service) for step in stage.steps]
    wanted = [o.replicas for o in operations if isinstance(o, Scale) and o.release == one.target]
    return PlanStep(
        id=f"verify-{service}",
        title=f"verify that {one.target} serves {service}",
        module="rollback",
        priority=50,
        depends_on=(after,),
        work=VerifyWork(service=service, release=one.target, replicas=max(wanted, default=0)),
    )


def _confirm(one: ServiceRollback, after: tuple[str, ...]) -> PlanStep:
    policy = one.policy
    return PlanStep(
        id=f"confirm-{one.state.service}",
        title=f"confirm that the users of {one.state.service} are served",
        module="analytics",
        priority=30,
        depends_on=after,
        work=ConfirmWork(
            service=one.state.service,
            seconds=policy.soak,
            extension=policy.soak_extension,
            min_requests=policy.min_requests,
        ),
    )
