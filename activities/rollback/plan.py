"""Making the plan: a pure function of the state of the world, the policy and what is known of the service."""

from __future__ import annotations

from collections.abc import Sequence

from activities.rollback.selection import STRATEGIES, select
from activities.rollback.target import way_back
from models.catalog import RollbackPolicy
from models.plan import (
    ConfirmWork,
    LiftWork,
    Plan,
    PlanStep,
    Ready,
    RollbackPlan,
    RollbackWork,
    ServiceState,
    VerifyWork,
)


def make_plan(
    incident: str, state: ServiceState, known: Sequence[str], policy: RollbackPolicy, protected: bool
) -> Plan:
    """Roll back, verify, lift the protection, confirm; or the reason why a person is needed."""
    way = way_back(state, known)
    selection = select(state, way.target)
    if selection.strategy is None or way.target is None or way.bad is None:
        return Plan(incident=incident, steps=(), hold=way.sentence, rejected=selection.rejected)
    rollback = RollbackPlan(
        strategy=selection.strategy,
        target=way.target,
        bad=way.bad,
        stages=STRATEGIES[selection.strategy](state, way.target, way.bad, policy),
        state=state,
        policy=policy,
        selected_because=f"{selection.because}; {way.sentence}",
        rejected=selection.rejected,
    )
    steps = _steps(rollback, protected)
    return Plan(incident=incident, steps=steps, rejected=selection.rejected, preview=_preview(rollback, steps))


def _steps(rollback: RollbackPlan, protected: bool) -> tuple[PlanStep, ...]:
    service, policy = rollback.state.service, rollback.policy
    full = next(
        stage.gate.replicas
        for stage in rollback.stages
        if isinstance(stage.gate, Ready) and stage.gate.release == rollback.target
    )
    roll_back = PlanStep(
        id=f"rollback-{service}",
        title=f"roll {service} back to {rollback.target}",
        module="rollback",
        priority=100,
        work=RollbackWork(rollback=rollback),
    )
    verify = PlanStep(
        id=f"verify-{service}",
        title=f"verify that {rollback.target} serves {service}",
        module="rollback",
        priority=50,
        depends_on=(roll_back.id,),
        work=VerifyWork(release=rollback.target, replicas=full),
    )
    lift = PlanStep(
        id=f"lift-{service}",
        title=f"lift the protection of {service}",
        module="breaker",
        priority=40,
        depends_on=(verify.id,),
        work=LiftWork(),
    )
    confirm = PlanStep(
        id=f"confirm-{service}",
        title=f"confirm that the users of {service} are served",
        module="analytics",
        priority=30,
        depends_on=(lift.id if protected else verify.id,),
        work=ConfirmWork(seconds=policy.soak, extension=policy.soak_extension, min_requests=policy.min_requests),
    )
    return (roll_back, verify, lift, confirm) if protected else (roll_back, verify, confirm)


def _preview(rollback: RollbackPlan, steps: tuple[PlanStep, ...]) -> tuple[str, ...]:
    where = f"{rollback.state.service} in {rollback.state.region}"
    lines = [f"{rollback.strategy} rollback of {where} from {rollback.bad} to {rollback.target}"]
    lines.append(f"because {rollback.selected_because}")
    for number, stage in enumerate(rollback.stages, start=1):
        guard = "  [point of no return: the gate before it must have passed]" if stage.point_of_no_return else ""
        changes = "; ".join(step.title for step in stage.steps) or stage.title
        lines.append(f"stage {number} {stage.name}: {changes}{guard}")
    lines += [f"then {step.title}" for step in steps[1:]]
    return tuple(lines)
