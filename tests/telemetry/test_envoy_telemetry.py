"""The Envoy driver counts what users and releases saw, and says so when it cannot know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from activities.analytics.drivers.envoy import EnvoyTelemetry
from activities.analytics.drivers.envoy_epoch import another_run
from models.telemetry import USERS, Count, NoData, Totals, between
from tests.telemetry.real_envoy import Backend, RealEnvoy, backend, envoy, send
from tests.waiting import until

SERVICES = {"payments": ("v1.2", "v2"), "ledger": ("v1",)}


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


async def totals(telemetry: EnvoyTelemetry, service: str = "payments", slow_ms: float | None = None) -> Totals:
    reading = await telemetry.totals(service, slow_ms)
    assert isinstance(reading, Totals), reading
    return reading


async def test_an_idle_service_has_counted_nothing_which_is_not_no_data(telemetry: EnvoyTelemetry) -> None:
    zero = Count(requests=0, errors=0, slow=0)
    assert (await totals(telemetry, slow_ms=100)).arms == {USERS: zero, "v1.2": zero, "v2": zero}


async def test_users_and_the_release_see_the_same_without_retries(
    telemetry: EnvoyTelemetry, proxy: RealEnvoy, upstream: Backend
) -> None:
    await send(proxy.listeners["payments"], 5)
    upstream.status = 500
    await send(proxy.listeners["payments"], 2)
    arms = (await totals(telemetry)).arms
    assert arms[USERS] == arms["v1.2"] == Count(requests=7, errors=2, slow=0)
    assert arms["v2"].requests == 0


async def test_a_client_error_is_no_error_of_the_service(
    telemetry: EnvoyTelemetry, proxy: RealEnvoy, upstream: Backend
) -> None:
    upstream.status = 404
    await send(proxy.listeners["payments"], 3)
    assert (await totals(telemetry)).arms[USERS] == Count(requests=3, errors=0, slow=0)


async def test_slow_is_above_the_next_bucket(telemetry: EnvoyTelemetry, proxy: RealEnvoy, upstream: Backend) -> None:
    await send(proxy.listeners["payments"], 3)
    upstream.delay = 0.3
    await send(proxy.listeners["payments"], 2)

    async def slow(threshold: float, expected: int) -> bool:
        arms = (await totals(telemetry, slow_ms=threshold)).arms
        return arms[USERS].slow == arms["v1.2"].slow == expected

    await until(lambda: slow(250, 2), 10, "two requests above 250 ms")
    assert await slow(200, 2), "200 ms is rounded up to the bucket of 250"
    assert await slow(260, 0), "260 ms is rounded up to the bucket of 500"


async def test_who_gives_up_waiting_counts_as_a_request(
    telemetry: EnvoyTelemetry, proxy: RealEnvoy, upstream: Backend
) -> None:
    upstream.delay = 30
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(proxy.listeners["payments"], timeout=0.2)

    async def counted() -> bool:
        return (await totals(telemetry, slow_ms=100)).arms[USERS] == Count(requests=1, errors=0, slow=1)

    await until(counted, 5, "the abandoned request is counted, as a slow one")


async def test_retries_do_not_hide_what_a_release_failed(tmp_path: Path, upstream: Backend) -> None:
    upstream.status = 500
    async with envoy(tmp_path, upstream, SERVICES, retries=1) as proxy:
        telemetry = EnvoyTelemetry("eu", proxy.admin)
        await send(proxy.listeners["payments"], 4)
        arms = (await totals(telemetry)).arms
        await telemetry.close()
    assert arms[USERS] == Count(requests=4, errors=4, slow=0)
    assert arms["v1.2"] == Count(requests=8, errors=8, slow=0)


async def test_what_a_limit_refused_is_the_users_loss_and_not_the_releases(tmp_path: Path, upstream: Backend) -> None:
    async with (
        envoy(tmp_path, upstream, SERVICES, max_requests=1) as proxy,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        telemetry = EnvoyTelemetry("eu", proxy.admin)
        held = asyncio.create_task(client.get(proxy.listeners["payments"] + "/hold", timeout=30))

        async def busy() -> bool:
            return await telemetry.in_flight("payments", "v1.2") == 1

        await until(busy, 5, "one request is in flight")
        assert await send(proxy.listeners["payments"], 6) == [503] * 6
        upstream.release.set()
        assert (await held).status_code == 200
        arms = (await totals(telemetry)).arms
        assert await telemetry.in_flight("payments", "v1.2") == 0
        await telemetry.close()
    assert arms[USERS] == Count(requests=7, errors=6, slow=0)
    assert arms["v1.2"] == Count(requests=1, errors=0, slow=0)


async def test_a_release_without_a_host_fails_what_it_is_sent_and_is_slow_for_none(
    tmp_path: Path, upstream: Backend
) -> None:
    async with envoy(tmp_path, upstream, SERVICES, hosts=False) as proxy:
        telemetry = EnvoyTelemetry("eu", proxy.admin)
        assert await send(proxy.listeners["payments"], 3) == [503] * 3
        arms = (await totals(telemetry, slow_ms=100)).arms
        await telemetry.close()
    assert arms[USERS] == arms["v1.2"] == Count(requests=3, errors=3, slow=0)


async def test_one_poll_answers_for_many_services(telemetry: EnvoyTelemetry, proxy: RealEnvoy) -> None:
    await send(proxy.listeners["ledger"], 2)
    readings = await telemetry.totals_of({"payments": None, "ledger": 100, "unknown": None})
    assert isinstance(readings["ledger"], Totals)
    assert readings["ledger"].arms[USERS].requests == 2
    assert isinstance(readings["payments"], Totals)
    unknown = readings["unknown"]
    assert isinstance(unknown, NoData)
    assert "no listener with the stat prefix unknown" in unknown.reason


async def test_a_restarted_envoy_begins_a_new_epoch_and_every_reader_sees_the_same(
    telemetry: EnvoyTelemetry, proxy: RealEnvoy
) -> None:
    await send(proxy.listeners["payments"], 1)
    before = await totals(telemetry)
    assert (await totals(telemetry)).epoch == before.epoch
    await proxy.stop()
    gone = await telemetry.totals("payments", None)
    assert isinstance(gone, NoData)
    assert "is away" in gone.reason
    await proxy.start()
    await send(proxy.listeners["payments"], 3)
    after = await totals(telemetry)
    other = EnvoyTelemetry("eu", proxy.admin)
    assert (await totals(other)).epoch == after.epoch
    await other.close()
    lost = between(before, after)
    assert isinstance(lost, NoData)
    assert "anew" in lost.reason


async def test_an_unknown_release_has_no_requests_in_flight_to_tell(telemetry: EnvoyTelemetry) -> None:
    answer = await telemetry.in_flight("payments", "v9")
    assert isinstance(answer, NoData)
    assert "no cluster payments|v9" in answer.reason


async def test_a_port_that_is_not_envoys_admin_is_named(proxy: RealEnvoy) -> None:
    wrong = EnvoyTelemetry("eu", proxy.listeners["payments"])
    answer = await wrong.totals("payments", None)
    await wrong.close()
    assert isinstance(answer, NoData)
    assert "admin port" in answer.reason


@pytest.mark.parametrize(
    ("started", "uptime", "expected"),
    [
        (1000.0, 160, False),
        (1000.9, 160, False),
        (1003.0, 160, True),
        (1000.0, 90, True),
        (1000.0, 3, True),
    ],
    ids=["same", "jitter", "later start", "younger than before", "too young to tell"],
)
def test_a_restart_is_suspected_from_the_uptime(started: float, uptime: float, expected: bool) -> None:
    assert another_run(1000.0, 100, started, uptime) is expected
