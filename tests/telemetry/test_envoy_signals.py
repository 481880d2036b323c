"""The Envoy driver tells what callers see of a service: how many, how well, how fast, and how many wait now."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from activities.analytics.drivers.envoy import EnvoyTelemetry
from activities.analytics.drivers.envoy_statistics import Statistics, Unusable
from activities.predictor.samples import between
from models.sample import Sample
from models.telemetry import Count, NoData, Signals
from tests.telemetry.real_envoy import Backend, RealEnvoy, backend, envoy, send
from tests.waiting import until

SERVICES = {"payments": ("v1", "v2"), "ledger": ("v1",)}


@pytest.fixture
async def upstream() -> AsyncIterator[Backend]:
    async with backend() as here:
        yield here


@pytest.fixture
async def proxy(tmp_path: Path, upstream: Backend) -> AsyncIterator[RealEnvoy]:
    async with envoy(tmp_path, upstream, SERVICES) as here:
        yield here


@pytest.fixture
async def telemetry(proxy: RealEnvoy) -> AsyncIterator[EnvoyTelemetry]:
    driver = EnvoyTelemetry("eu", proxy.admin)
    yield driver
    await driver.close()


async def signals(telemetry: EnvoyTelemetry, slow_ms: float | None = 100, timed: int = 0) -> Signals:
    """Once so many requests are in the histogram: Envoy merges it a moment after it counted them."""

    async def merged() -> Signals | None:
        reading = (await telemetry.signals_of({"payments": slow_ms}))["payments"]
        return reading if isinstance(reading, Signals) and reading.timed >= timed else None

    return await until(merged, 10, f"the signals of {timed} requests")


async def test_an_idle_service_has_counted_nothing_which_is_not_no_data(telemetry: EnvoyTelemetry) -> None:
    idle = await signals(telemetry)
    assert (idle.service, idle.region) == ("payments", "eu")
    assert idle.users == Count(requests=0, errors=0, slow=0)
    assert (idle.timed, idle.times, idle.in_flight) == (0, (), 0)


async def test_a_sample_has_the_rate_the_shares_and_the_times_of_what_was_sent(
    telemetry: EnvoyTelemetry, proxy: RealEnvoy, upstream: Backend
) -> None:
    upstream.status = 500
    await send(proxy.listeners["payments"], 3)
    earlier = await signals(telemetry, timed=3)
    upstream.status = 200
    await send(proxy.listeners["payments"], 12)
    upstream.status, upstream.delay = 503, 0.12
    await send(proxy.listeners["payments"], 4)
    later = await signals(telemetry, timed=19)
    found = between(earlier, later)
    assert isinstance(found, Sample), found
    assert found.requests_per_second == pytest.approx(16 / (later.at - earlier.at).total_seconds())
    assert (found.error_share, found.slow_share) == (0.25, 0.25)
    assert found.p50_ms and found.p95_ms and found.p99_ms
    assert found.p50_ms <= 100 < found.p95_ms < found.p99_ms <= 250


async def test_what_callers_wait_for_is_in_flight_over_all_releases(
    telemetry: EnvoyTelemetry, proxy: RealEnvoy, upstream: Backend
) -> None:
    async with httpx.AsyncClient(base_url=proxy.listeners["payments"], trust_env=False, timeout=30) as client:
        held = [asyncio.create_task(client.get("/hold")) for _ in range(3)]

        async def waiting() -> bool:
            return (await signals(telemetry)).in_flight == 3

        await until(waiting, 5, "three requests are in flight")
        upstream.release.set()
        assert [answer.status_code for answer in await asyncio.gather(*held)] == [200] * 3
    assert (await signals(telemetry, timed=3)).in_flight == 0


async def test_who_gives_up_waiting_is_slow_and_has_no_time(
    telemetry: EnvoyTelemetry, proxy: RealEnvoy, upstream: Backend
) -> None:
    await send(proxy.listeners["payments"], 2)
    upstream.delay = 30
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(proxy.listeners["payments"], timeout=0.2)

    async def counted() -> bool:
        return (await signals(telemetry)).users == Count(requests=3, errors=0, slow=1)

    await until(counted, 5, "the abandoned request is counted")
    assert (await signals(telemetry)).timed == 2


async def test_without_a_latency_objective_nothing_is_slow_and_times_are_told(
    telemetry: EnvoyTelemetry, proxy: RealEnvoy, upstream: Backend
) -> None:
    upstream.delay = 0.12
    await send(proxy.listeners["payments"], 2)
    found = await signals(telemetry, slow_ms=None, timed=2)
    assert found.users.slow == 0
    assert dict(found.times)[100] == 0 and dict(found.times)[250] == 2


async def test_one_poll_answers_for_many_services_and_says_which_it_does_not_know(
    telemetry: EnvoyTelemetry, proxy: RealEnvoy
) -> None:
    await send(proxy.listeners["ledger"], 2)
    readings = await telemetry.signals_of({"payments": None, "ledger": 100, "unknown": None})
    known = [readings[service] for service in ("payments", "ledger")]
    assert [isinstance(one, Signals) and one.users.requests for one in known] == [0, 2]
    unknown = readings["unknown"]
    assert isinstance(unknown, NoData)
    assert "no listener with the stat prefix unknown" in unknown.reason


async def test_between_two_runs_of_envoy_there_is_no_sample(telemetry: EnvoyTelemetry, proxy: RealEnvoy) -> None:
    await send(proxy.listeners["payments"], 1)
    before = await signals(telemetry, timed=1)
    await proxy.stop()
    gone = (await telemetry.signals_of({"payments": 100}))["payments"]
    assert isinstance(gone, NoData)
    assert "is away" in gone.reason
    await proxy.start()
    await send(proxy.listeners["payments"], 3)
    lost = between(before, await signals(telemetry, timed=3))
    assert isinstance(lost, NoData)
    assert "anew" in lost.reason


def test_a_histogram_or_gauge_that_is_missing_is_unknown_and_not_zero() -> None:
    counted = {"stats": [{"name": "http.payments.downstream_rq_completed", "value": 5}]}
    statistics = Statistics(json.dumps(counted).encode())
    assert statistics.users("payments", None).requests == 5
    with pytest.raises(Unusable, match="has not merged"):
        statistics.times("payments")
    with pytest.raises(Unusable, match="in flight is unknown"):
        statistics.in_flight("payments")
