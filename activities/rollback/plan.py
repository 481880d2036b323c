"""Making the plan: a pure function of the catalog and of what was read of the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from activities.rollback.affected import going_back
from activities.rollback.approval import with_approvals
from activities.rollback.circumstances import circumstances, way_of
from activities.rollback.expectation import expect
from activities.rollback.order import waves
from activities.rollback.preview import preview
from activities.rollback.selection import HOLD, STRATEGIES, Selection, guarded, select
from activities.rollback.situation import Situation
from activities.rollback.strategies import emergency, staged
from activities.rollback.target import Way
from models.catalog import Catalog, RollbackPolicy
from models.circumstances import Circumstances
from models.graph import Graph
from models.plan import (
    ConfirmWork,
    LiftWork,
    Plan,
    PlanStep,
    Rejected,
    RollbackPlan,
    RollbackWork,
    ServiceRollback,
    VerifyWork,
)
from models.stage import Scale, Stage


def make_plan(incident: str, catalog: Catalog, situation: Situation, protected: bool) -> Plan:
    """Roll back, verify, lift the protection, confirm; or the reason why a person is needed."""
    ways = {name: way_of(catalog, subject, situation.at) for name, subject in situation.subjects.items()}
    planner = _Planner(catalog, situation, ways)
    going = going_back(catalog, situation, ways)
    seen, selection = planner.select(going[0], going)
    chosen = dict.fromkeys(going, selection)
    if selection.strategy == staged.NAME:
        chosen = {name: planner.select(name, (name,))[1] for name in going}
    elif selection.strategy != HOLD:
        chosen |= {name: planner.guarded(name, going, selection) for name in going[1:]}
    rejected = _rejected(selection, chosen)
    for name, one in chosen.items():
        if one.strategy == HOLD:
            return Plan(incident=incident, steps=(), hold=f"{name}: {one.because}", rejected=rejected)
    levels = waves(going, _graph(catalog)) if selection.strategy == staged.NAME else (going,)
    back = {name: planner.service_rollback(name, one.strategy) for name, one in chosen.items()}
    ordered = staged.in_waves({name: stages for name, (_, stages) in back.items()}, levels)
    rollback = RollbackPlan(
        strategy=selection.strategy,
        services=tuple(one for one, _ in back.values()),
        waves=ordered,
        priority=emergency.PRIORITY if emergency.NAME in {one.strategy for one in chosen.values()} else 0,
        expected=expect(seen, selection.strategy, ordered),
        selected_because=f"{selection.because}; {ways[going[0]].sentence}",
    )
    steps = _steps(catalog, rollback, situation.service, protected)
    return Plan(incident=incident, steps=steps, rejected=rejected, preview=preview(rollback, steps))


@dataclass(frozen=True)
class _Planner:
    catalog: Catalog
    situation: Situation
    ways: Mapping[str, Way]

    def select(self, service: str, going: tuple[str, ...]) -> tuple[Circumstances, Selection]:
        seen = circumstances(self.catalog, self.situation, service, self.ways[service], going)
        return seen, select(seen, self.catalog.policy_of(service).rollback)

    def guarded(self, service: str, going: tuple[str, ...], common: Selection) -> Selection:
        seen = circumstances(self.catalog, self.situation, service, self.ways[service], going)
        return guarded(seen, self.catalog.policy_of(service).rollback, common)

    def service_rollback(self, service: str, strategy: str) -> tuple[ServiceRollback, tuple[Stage, ...]]:
        """One service's way back. Only for one whose selection does not hold: then there is a target."""
        subject, way = self.situation.subjects[service], self.ways[service]
        if way.bad is None or way.target is None:
            raise ValueError(f"{service} has no way back: {way.sentence}")
        policy = self.catalog.policy_of(service).rollback
        rollback = ServiceRollback(
            strategy=strategy,
            target=way.target,
            bad=way.bad,
            state=subject.state,
            policy=policy,
            before=subject.health(way.bad),
        )
        stages = STRATEGIES[strategy](subject.state, way.target, way.bad, policy)
        return rollback, with_approvals(stages, policy)


def _graph(catalog: Catalog) -> Graph:
    return {name: service.depends_on for name, service in catalog.services.items()}


def _rejected(selection: Selection, chosen: Mapping[str, Selection]) -> tuple[Rejected, ...]:
    """Of the plan as a whole, then of each service that selects for itself."""
    own = [
        Rejected(rule=f"{name}: {rejected.rule}", reason=rejected.reason)
        for name, one in chosen.items()
        if one is not selection
        for rejected in one.rejected
    ]
    return (*selection.rejected, *own)


def _steps(catalog: Catalog, rollback: RollbackPlan, troubled: str, protected: bool) -> tuple[PlanStep, ...]:
    """The services go back together, and each is verified for itself; then the users of each, and of the troubled one,
    whose protection is lifted before that."""
    services = ", ".join(f"{one.state.service} back to {one.target}" for one in rollback.services)
    roll_back = PlanStep(
        id=f"rollback-{rollback.first.state.service}",
        title=f"roll {services}",
        module="rollback",
        priority=100,
        work=RollbackWork(rollback=rollback),
    )
    verify = [_verify(rollback, one, roll_back.id) for one in rollback.services]
    verified = tuple(step.id for step in verify)
    lift = PlanStep(
        id=f"lift-{troubled}",
        title=f"lift the protection of {troubled}",
        module="breaker",
        priority=40,
        depends_on=verified,
        work=LiftWork(),
    )
    after = (lift.id,) if protected else verified
    served = dict.fromkeys((*(one.state.service for one in rollback.services), troubled))
    confirm = [_confirm(name, catalog.policy_of(name).rollback, after) for name in served]
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


def _confirm(service: str, policy: RollbackPolicy, after: tuple[str, ...]) -> PlanStep:
    return PlanStep(
        id=f"confirm-{service}",
        title=f"confirm that the users of {service} are served",
        module="analytics",
        priority=30,
        depends_on=after,
        work=ConfirmWork(
            service=service,
            seconds=policy.soak,
            extension=policy.soak_extension,
            min_requests=policy.min_requests,
        ),
    )
