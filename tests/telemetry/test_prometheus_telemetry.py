"""The Prometheus driver counts as the Envoy driver does, over a real Prometheus that scrapes a real Envoy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio

from activities.analytics.drivers.envoy import EnvoyTelemetry
from activities.analytics.drivers.prometheus import PrometheusTelemetry
from activities.analytics.drivers.prometheus_queries import Queries
from activities.analytics.drivers.prometheus_reading import Reading, Sample, Unusable
from activities.predictor import samples
from models.sample import Sample as Measured
from models.telemetry import USERS, Count, NoData, Signals, Totals, between
from tests.telemetry.real_envoy import Backend, RealEnvoy, backend, envoy, send
from tests.telemetry.real_prometheus import needs_prometheus, prometheus
from tests.waiting import until

# One scene for all: Prometheus looks for its targets only 5 s after its start.
pytestmark = [needs_prometheus, pytest.mark.asyncio(loop_scope="module")]

SERVICES = {"payments": ("v1", "v2"), "ledger": ("v1",)}
LEDGER = 'envoy_http_conn_manager_prefix="ledger"'


@dataclass
class Scene:
    upstream: Backend
    proxy: RealEnvoy
    prometheus: str
    telemetry: PrometheusTelemetry

    async def until_counted(self, requests: int) -> Totals:
        async def counted() -> Totals | None:
            reading = await self.telemetry.totals("payments", 250)
            ready = isinstance(reading, Totals) and reading.arms[USERS].requests == requests
            return reading if ready and isinstance(reading, Totals) else None

        found = await until(counted, 15, f"{requests} requests are scraped")
        assert found
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    tmp_path = tmp_path_factory.mktemp("scene")
    async with backend() as upstream, envoy(tmp_path, upstream, SERVICES) as proxy:
        target = proxy.admin.removeprefix("http://")
        configuration = f"""
global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs:
  - job_name: envoy
    metrics_path: /stats/prometheus
    static_configs: [{{targets: ["{target}"]}}]
"""
        async with prometheus(tmp_path, configuration) as url:
            telemetry = PrometheusTelemetry("eu", url)
            scene = Scene(upstream, proxy, url, telemetry)
            await scene.until_counted(0)
            yield scene
            await telemetry.close()


async def signals(scene: Scene, service: str = "payments") -> Signals:
    reading = (await scene.telemetry.signals_of({service: 250}))[service]
    assert isinstance(reading, Signals), reading
    return reading


async def test_it_counts_what_the_envoy_driver_counts(scene: Scene) -> None:
    await send(scene.proxy.listeners["payments"], 5)
    scene.upstream.status, scene.upstream.delay = 503, 0.3
    await send(scene.proxy.listeners["payments"], 2)
    scene.upstream.status, scene.upstream.delay = 200, 0
    direct = EnvoyTelemetry("eu", scene.proxy.admin)

    async def same() -> bool:
        reading = await scene.telemetry.totals("payments", 250)
        expected = await direct.totals("payments", 250)
        return isinstance(reading, Totals) and isinstance(expected, Totals) and reading.arms == expected.arms

    await until(same, 15, "both drivers say the same")
    await direct.close()
    both = Count(requests=7, errors=2, slow=2)
    assert (await scene.until_counted(7)).arms == {
        USERS: both,
        "v1": both,
        "v2": Count(requests=0, errors=0, slow=0),
    }
    assert await scene.telemetry.in_flight("payments", "v1") == 0


async def test_its_signals_are_those_of_the_envoy_driver_and_their_quantiles_those_of_prometheus(scene: Scene) -> None:
    direct = EnvoyTelemetry("eu", scene.proxy.admin)
    await send(scene.proxy.listeners["ledger"], 9)
    scene.upstream.status, scene.upstream.delay = 503, 0.12
    await send(scene.proxy.listeners["ledger"], 3)
    scene.upstream.status, scene.upstream.delay = 200, 0

    async def same() -> Signals | None:
        reading, expected = await signals(scene, "ledger"), (await direct.signals_of({"ledger": 250}))["ledger"]
        assert isinstance(expected, Signals)
        equal = reading == expected.model_copy(update={"at": reading.at, "epoch": reading.epoch})
        return reading if equal and reading.timed >= 12 else None

    found = await until(same, 15, "both drivers say the same")
    await direct.close()
    never = {"users": Count(requests=0, errors=0, slow=0), "timed": 0, "times": ()}
    since = samples.between(found.model_copy(update={"at": found.at - timedelta(seconds=10), **never}), found)
    assert isinstance(since, Measured)
    async with httpx.AsyncClient(base_url=scene.prometheus, trust_env=False) as client:
        for share, told in ((0.5, since.p50_ms), (0.95, since.p95_ms), (0.99, since.p99_ms)):
            query = f"histogram_quantile({share}, envoy_http_downstream_rq_time_bucket{{{LEDGER}}})"
            answer = (await client.get("/api/v1/query", params={"query": query})).json()
            assert told == pytest.approx(float(answer["data"]["result"][0]["value"][1]))


async def test_what_callers_wait_for_is_in_flight(scene: Scene) -> None:
    async with httpx.AsyncClient(base_url=scene.proxy.listeners["ledger"], trust_env=False, timeout=30) as client:
        held = [asyncio.create_task(client.get("/hold")) for _ in range(2)]

        async def waiting() -> bool:
            return (await signals(scene, "ledger")).in_flight == 2

        await until(waiting, 15, "two requests of ledger are in flight")
        assert (await signals(scene)).in_flight == 0
        scene.upstream.release.set()
        await asyncio.gather(*held)
        scene.upstream.release.clear()


async def test_what_prometheus_does_not_know_is_no_data(scene: Scene) -> None:
    readings = await scene.telemetry.totals_of({"payments": None, "unknown": 100.0})
    assert isinstance(readings["payments"], Totals)
    unknown = readings["unknown"]
    assert isinstance(unknown, NoData)
    assert "no samples of unknown" in unknown.reason
    assert (await scene.telemetry.signals_of({"unknown": 100.0}))["unknown"] == unknown
    assert isinstance(await scene.telemetry.in_flight("payments", "v9"), NoData)


async def test_between_two_scrapes_there_is_no_newer_sample(scene: Scene) -> None:
    first = await scene.telemetry.totals("payments", None)
    assert isinstance(between(first, first), NoData)


async def test_samples_beyond_their_age_are_stale(scene: Scene) -> None:
    impatient = PrometheusTelemetry("eu", scene.prometheus, stale_after=0.0)

    async def stale() -> bool:
        answer = await impatient.totals("payments", None)
        return isinstance(answer, NoData) and "stale" in answer.reason

    await until(stale, 10, "the samples are called stale")
    await impatient.close()


@pytest.mark.parametrize(
    ("queries", "reason"),
    [
        (replace(Queries(), users_errors="sum(("), "refused a query"),
        (replace(Queries(), users_errors="no_such_metric"), "answers nothing for payments|users"),
        (replace(Queries(), release_errors="no_such_metric"), "answers nothing for payments|v1"),
        (replace(Queries(), runs="no_such_metric"), "which Envoys"),
        (replace(Queries(), users_gone='label_replace(vector(0/0), "service", "payments", "", "")'), "nan"),
    ],
    ids=["not PromQL", "no errors of users", "no errors of a release", "no runs", "not a number"],
)
async def test_a_broken_query_is_no_data(scene: Scene, queries: Queries, reason: str) -> None:
    broken = PrometheusTelemetry("eu", scene.prometheus, queries)
    answer = await broken.totals("payments", None)
    await broken.close()
    assert isinstance(answer, NoData)
    assert reason in answer.reason


async def test_signals_without_what_is_in_flight_are_no_data(scene: Scene) -> None:
    broken = PrometheusTelemetry("eu", scene.prometheus, replace(Queries(), users_in_flight="no_such_metric"))
    answer = (await broken.signals_of({"payments": None}))["payments"]
    await broken.close()
    assert isinstance(answer, NoData)
    assert "answers nothing for payments|users to the query users_in_flight" in answer.reason


async def test_a_source_that_is_away_or_another_is_no_data(scene: Scene) -> None:
    for url, reason in (("http://127.0.0.1:1", "is away"), (scene.proxy.listeners["payments"], "something else")):
        wrong = PrometheusTelemetry("eu", url)
        answer = await wrong.totals("payments", None)
        assert isinstance(answer, NoData)
        assert reason in answer.reason
        assert isinstance(await wrong.in_flight("payments", "v1"), NoData)
        assert (await wrong.signals_of({"payments": None}))["payments"] == answer
        await wrong.close()


async def test_a_dead_envoy_is_no_data_and_a_restarted_one_is_a_new_epoch(scene: Scene) -> None:
    before, signals_before = await scene.telemetry.totals("payments", 250), await signals(scene)
    assert isinstance(before, Totals)

    async def older() -> bool:
        # Envoy tells its age in whole seconds: a restart shows once it is younger than it was.
        reading = await scene.telemetry.totals("payments", 250)
        return isinstance(reading, Totals) and (reading.at - before.at).total_seconds() > 3

    await until(older, 15, "Envoy is some seconds old")
    await scene.proxy.stop()

    async def gone() -> bool:
        return isinstance(await scene.telemetry.totals("payments", 250), NoData)

    await until(gone, 15, "its series end")
    await scene.proxy.start()
    await send(scene.proxy.listeners["payments"], 4)
    after = await scene.until_counted(4)
    assert after.epoch != before.epoch
    assert isinstance(between(before, after), NoData)
    assert isinstance(samples.between(signals_before, await signals(scene)), NoData)


async def test_a_missing_histogram_is_not_a_count_of_no_slow_requests() -> None:
    def one(value: float, **labels: str) -> list[Sample]:
        return [Sample(metric={"service": "payments", **labels}, value=(0, value))]

    answers = {"releases": [], "users_answered": one(5), "users_gone": one(0), "users_errors": one(0)}
    assert Reading(answers).arms("payments", None)[USERS].requests == 5
    for histogram in ({"users_times": []}, {"users_times": one(5, le="250")}):
        reading = Reading({**answers, **histogram})
        with pytest.raises(Unusable, match="slow requests are unknown"):
            reading.arms("payments", 250)
        with pytest.raises(Unusable, match="slow requests are unknown"):
            reading.times("payments")
