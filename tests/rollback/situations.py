"""Situations of payments and what it depends on, without anything that was read from a real world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service_states import NOW, state

from activities.rollback.plan import make_plan
from activities.rollback.situation import Situation, situation
from models.assessment import Assessment
from models.catalog import Availability, Catalog, Level, Policy, Region, RollbackPolicy, Service, Slos
from models.observation import Observation
from models.plan import Plan
from models.recollection import Recollection
from models.said import Said
from models.service_state import ServiceState
from models.survey import Survey
from models.telemetry import USERS, Count, Window
from models.verdict import Finding, Verdict

POLICY = RollbackPolicy(soak=5, soak_extension=7, min_requests=30)


def service(*, policy: str | None = "full", **changed: object) -> Service:
    values = {"tier": 1, "regions": ("eu",), "slos": Slos(availability=Availability(objective=99.9)), "policy": policy}
    return Service.model_validate(values | changed)


def catalog(services: Mapping[str, Service] | None = None, rollback: RollbackPolicy = POLICY) -> Catalog:
    return Catalog(
        version=1,
        regions={"eu": Region()},
        services=dict(services or {"payments": service()}),
        policies={"full": Policy(rollback=rollback), "careful": Policy(level=Level.PROTECT, rollback=rollback)},
    )


def seen(name: str, now: ServiceState, failing: Sequence[str] = (), requests: int = 1000) -> Observation:
    """Every release that serves has *requests*; a tenth of those of the *failing* ones failed."""
    serving = [release for release, weight in now.weights.items() if weight]
    arms = {r: Count(requests=requests, errors=requests // 10 if r in failing else 0, slow=0) for r in serving}
    users = Count(
        requests=sum(arm.requests for arm in arms.values()), errors=sum(arm.errors for arm in arms.values()), slow=0
    )
    verdicts = {
        release: Verdict(
            finding=Finding.FAIL if release in failing else Finding.PASS, sentence=f"{release} was measured"
        )
        for release in serving
    }
    window = Window(service=name, region="eu", seconds=10, arms={**arms, USERS: users})
    return Observation(window=window, verdicts=verdicts)


def situated(
    *states: ServiceState,
    observations: Mapping[str, Observation] | None = None,
    recollections: Mapping[str, Recollection] | None = None,
    said: Said | None = None,
) -> Situation:
    """The first of *states* is the troubled one's. What is not said otherwise serves well; nothing is remembered."""
    observed = {one.service: seen(one.service, one) for one in states} | dict(observations or {})
    own, *_ = states
    survey = Survey(
        observations={name: found for name, found in observed.items() if name != own.service},
        recollections=dict(
            recollections if recollections is not None else {one.service: Recollection() for one in states}
        ),
    )
    assessment = Assessment(observation=observed[own.service], survey=survey)
    return situation(own.service, states, assessment, said or Said(began_at=NOW), NOW)


def plan_for(
    now: ServiceState, known: Sequence[str] = (), rollback: RollbackPolicy = POLICY, *, protected: bool = True
) -> Plan:
    """Of payments alone."""
    entry = service(releases=tuple(known))
    return make_plan("01K", catalog({"payments": entry}, rollback), situated(now), protected)


def deployed(name: str, weights: Mapping[str, int], history: Sequence[str], **changed: object) -> ServiceState:
    return state(weights, deployed=history).model_copy(update={"service": name, **changed})
