"""Every strategy is in the matrix: it has services of its own, whose policy leads to it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from activities.rollback.plan import make_plan
from activities.rollback.selection import STRATEGIES
from activities.rollback.situation import situation
from activities.rollback.strategies import staged
from models.assessment import Assessment
from models.catalog_file import parse
from models.deployment import Deployment
from models.observation import Observation
from models.said import Said
from models.service_state import ServiceState
from models.survey import Survey
from models.telemetry import USERS, Count, Window
from tests.chaos.case import BY_STRATEGY, LEFT_ALONE
from tests.chaos.subject import SERVICES, Subject, catalog
from workers.local.world import variable

PORTS = {variable(name): str(7000 + number) for number, name in enumerate(SERVICES)}
CATALOG = parse(catalog(), "world.yaml", dict.fromkeys(("MESH", "AGENT", "ENVOY"), "http://127.0.0.1:1") | PORTS)
OTHERS = [scenario.subject for scenario in BY_STRATEGY]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_every_strategy_has_one_scenario() -> None:
    led_to = Counter(scenario.subject.strategy for scenario in (LEFT_ALONE, *BY_STRATEGY))
    assert led_to == Counter([*STRATEGIES, staged.NAME])


@pytest.mark.parametrize("subject", OTHERS, ids=lambda subject: subject.strategy)
def test_its_services_are_rolled_back_by_it(subject: Subject) -> None:
    seen = {name: observed(name, subject.fails) for name in subject.services}
    assessment = Assessment(observation=seen[subject.troubled], survey=Survey(observations=seen))
    states = [state(name) for name in subject.services]
    found = situation(subject.troubled, states, assessment, Said(began_at=NOW), NOW)
    plan = make_plan("01K", CATALOG.catalog, found, protected=True)
    assert plan.rollback, plan.hold
    assert plan.rollback.strategy == subject.strategy
    assert {one.state.service for one in plan.rollback.services} == set(subject.services)


def state(service: str) -> ServiceState:
    """As after the deployment of v2."""
    return ServiceState(
        region="eu",
        service=service,
        weights={"v1": 0, "v2": 100},
        mesh_generation=1,
        replicas={"v2": 1},
        ready={"v2": 1},
        platform_generation=1,
        deployments=tuple(
            Deployment(release=release, at=NOW - timedelta(minutes=age)) for age, release in enumerate(("v2", "v1"), 1)
        ),
    )


def observed(service: str, fails: int) -> Observation:
    """*fails*: of ten requests."""
    count = Count(requests=100, errors=10 * fails, slow=0)
    return Observation(
        window=Window(service=service, region="eu", seconds=1.5, arms={"v2": count, USERS: count}), verdicts={}
    )
