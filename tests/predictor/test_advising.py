"""What an alarm is answered with, from real ticks, incidents and a policy to the action that is chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from activities.analytics.store import Store, migrate, open_store, predictions, ticks
from activities.analytics.store.ticks import Tick
from activities.directory import Directory
from activities.mesh.driver import Routing
from activities.platform.driver import Workload
from activities.predictor.advising import AdvisingActivities
from activities.predictor.contract import Advice, AdviseRequest
from models.catalog import Catalog
from models.catalog_file import parse
from models.deployment import Deployment
from models.prediction import Alarm, Contribution
from models.prevention import Action
from models.prevention_run import PreventionStart
from models.scope import Scope
from tests.predictor.kept_services import incident

INTERVAL = 900
NOW = datetime.now(UTC)
YOUNG, OLD = timedelta(minutes=30), timedelta(days=2)

CATALOG = f"""
version: 1
regions:
  eu:
    mesh: {{envoy: {{kind: envoy, url: "http://127.0.0.1:1", proxies: [envoy-eu]}}}}
    platform: {{local: {{kind: local, url: "http://127.0.0.1:1"}}}}
    telemetry: {{envoy: {{kind: envoy, url: "http://127.0.0.1:1"}}}}
defaults: {{mesh: envoy, platform: local, telemetry: envoy, policy: careful}}
prediction: {{interval: {INTERVAL}, horizon: 1800}}
policies:
  careful:
    breakers: {{shed: {{by: guards, least_value: 5}}}}
    prevention: {{level: full, PREVENTION, dollars_an_hour: 1000, replica_dollars_an_hour: 0.5}}
services:
  payments:
    tier: 1
    regions: [eu]
    port: 10001
    slos: {{availability: {{objective: 90}}}}
    value: {{revenue_per_minute: 900, customers: 5000}}
    max_replicas: 6
"""


@dataclass(frozen=True)
class Planes:
    """Stands in for the directory and its drivers: v2 serves all requests with so many replicas, since so long ago."""

    known: Catalog
    replicas: int
    age: timedelta

    async def pinned(self, _digest: str) -> Catalog:
        return self.known

    async def catalog(self, _scope: Scope) -> Catalog:
        return self.known

    async def mesh(self, _scope: Scope) -> _Mesh:
        return _Mesh()

    async def platform(self, _scope: Scope) -> _Platform:
        return _Platform(self)


class _Mesh:
    async def read(self, _service: str) -> Routing:
        return Routing(generation=1, state={}, weights={"v1": 0, "v2": 100}, draining=(), missing=())


@dataclass(frozen=True)
class _Platform:
    planes: Planes

    async def read(self, _region: str, _service: str) -> Workload:
        deployments = Deployment(release="v2", at=NOW - self.planes.age), Deployment(release="v1", at=NOW - 2 * OLD)
        return Workload(
            generation=1,
            state={},
            replicas={"v1": 0, "v2": self.planes.replicas},
            ready={"v2": self.planes.replicas},
            deployments=deployments,
        )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Three days of traffic and three incidents of ten minutes, of which nobody knows what they lost."""
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('advising') / 'store.db'}")
    migrate(opened)
    last = int(NOW.timestamp()) // INTERVAL
    for number in range(last - 3 * 86_400 // INTERVAL, last + 1):
        at = NOW - timedelta(seconds=INTERVAL * (last - number))
        sample = (at.timestamp(), 50.0, 0.001, 0.0, 20.0, 60.0, 110.0, 1.0)
        ticks.keep(opened, "eu", INTERVAL, Tick(number=number, at=at, samples={"payments": sample}), {})
    for days in (40, 50, 60):
        incident(opened, NOW - timedelta(days=days), timedelta(minutes=10))
    yield opened
    opened.close()


def alarm(metric: str) -> Alarm:
    part = Contribution(feature=metric, category="level", value=9, usual=1, log_odds=2, sentence="it rises")
    return Alarm(
        id="eu/payments/1",
        region="eu",
        service="payments",
        at=NOW,
        until=NOW + timedelta(minutes=30),
        model=1,
        probability=0.6,
        threshold=0.5,
        metrics=(part,),
    )


async def advise(store: Store, text: str, metric: str, replicas: int = 2, age: timedelta = OLD) -> Advice:
    loaded = parse(text, "catalog.yaml", {})
    planes = Planes(loaded.catalog, replicas, age)
    request = AdviseRequest(catalog=loaded.digest, alarm=alarm(metric))
    return await AdvisingActivities(cast(Directory, planes), store).advise(request)


async def advised(store: Store, approved: str, metric: str, replicas: int = 2, age: timedelta = OLD) -> PreventionStart:
    advice = await advise(store, CATALOG.replace("PREVENTION", approved), metric, replicas, age)
    assert advice.start is not None
    return advice.start


async def test_what_is_at_risk_is_noted_with_the_alarm_also_where_nothing_is_to_be_done(store: Store) -> None:
    predictions.raise_alarms(store, [alarm("p95_ms")])
    before = predictions.alarm(store, "eu/payments/1")
    assert before is not None
    assert before.risk is None
    nothing = "".join(line for line in CATALOG.splitlines(keepends=True) if "PREVENTION" not in line)
    assert (await advise(store, nothing, "p95_ms")).start is None
    after = predictions.alarm(store, "eu/payments/1")
    assert after is not None
    assert after.risk is not None
    assert after.risk.revenue is not None
    assert 0 < after.risk.revenue.low == pytest.approx(after.risk.revenue.expected), "the incidents were alike"
    assert after.risk.revenue.high > after.risk.revenue.expected
    assert after.risk.customers is not None
    assert after.risk.age is not None


EVERYTHING = "scale: 2, warm: 20, shift: 30, shed: 1, restart: true, roll_back: true"

CHOSEN = {
    "there is room": (EVERYTHING, "in_flight", 2, OLD, Action.SCALE),
    "there is no room": (EVERYTHING, "requests_per_second", 6, OLD, Action.SHED),
    "a new release": (EVERYTHING, "p95_ms", 2, YOUNG, Action.ROLL_BACK),
    "a new release, of which a share may be shifted": ("shift: 30", "p95_ms", 2, YOUNG, Action.SHIFT),
    "a new release, before which the other may be warmed": ("warm: 30", "p95_ms", 2, YOUNG, Action.WARM),
    "an old release": (EVERYTHING, "p95_ms", 2, OLD, Action.RESTART),
    "nothing that answers is approved": ("restart: true", "requests_per_second", 2, OLD, None),
}


@pytest.mark.parametrize(("approved", "metric", "replicas", "age", "action"), CHOSEN.values(), ids=CHOSEN.keys())
async def test_each_action_is_chosen_by_what_is_measured(
    store: Store, approved: str, metric: str, replicas: int, age: timedelta, action: Action | None
) -> None:
    start = await advised(store, approved, metric, replicas, age)
    assert start.prevention.chosen is action, start.prevention.sentence
    assert (start.option.action if start.option else None) is action
    assert start.risk.unknown == ()
    assert "the objective forbids" in start.risk.sentence
