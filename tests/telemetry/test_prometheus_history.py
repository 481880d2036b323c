"""The Prometheus driver reads an hour of the past: the windows are what the Envoys counted, and holes stay holes."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from activities.analytics.drivers import prometheus as driver
from activities.analytics.drivers.prometheus import PrometheusTelemetry
from activities.analytics.drivers.prometheus_history import Series, instants, readings
from activities.analytics.drivers.prometheus_queries import Queries
from activities.analytics.drivers.prometheus_reading import Unusable
from activities.analytics.overdispersion import overdispersion
from models.catalog import Availability, Latency, Slos
from models.telemetry import HISTORY_WINDOWS, USERS, Count, NoData, Window, WindowReading
from tests.telemetry.past_envoy import PastEnvoy, openmetrics
from tests.telemetry.real_prometheus import backfill, needs_promtool, prometheus

pytestmark = [needs_promtool, pytest.mark.asyncio(loop_scope="module")]

UNTIL = datetime.fromtimestamp(time.time() // 15 * 15 - 3 * 3600, UTC)
START = UNTIL.timestamp() - 3600
SLOS = Slos(availability=Availability(objective=99), latency=Latency(objective=95, threshold_ms=250))
CONFIGURATION = "global: {}"


def counts(seed: int, steps: int = HISTORY_WINDOWS, requests: int = 200) -> list[Count]:
    """2% fail, 5% are slow."""
    chance = random.Random(seed)
    return [
        Count(
            requests=requests,
            errors=sum(chance.random() < 0.02 for _ in range(requests)),
            slow=sum(chance.random() < 0.05 for _ in range(requests)),
        )
        for _ in range(steps)
    ]


STEADY = counts(1)
YOUNG = [None] * 120 + counts(2, 120)
ENVOYS = (
    PastEnvoy("steady", START, {"v1": STEADY, "v2": YOUNG}),
    # Each of these two is scraped every 30 s, and never at an end of a window.
    PastEnvoy("seldom", START - 11, {"v1": counts(3, 121)}, step=30.0, instance="one"),
    PastEnvoy("seldom", START - 4, {"v1": counts(4, 121)}, step=30.0, instance="two"),
    PastEnvoy("holed", START, {"v1": counts(5)}, scraped=[*range(100), *range(140, 241)], restarts=[200]),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    folder = tmp_path_factory.mktemp("past")
    await backfill(folder, openmetrics(*ENVOYS))
    async with prometheus(folder, CONFIGURATION) as url:
        yield url


async def read(
    url: str, service: str, until: datetime = UNTIL, slow_ms: float | None = 250, queries: Queries | None = None
) -> list[WindowReading] | NoData:
    telemetry = PrometheusTelemetry("eu", url, queries)
    found = await telemetry.history(service, slow_ms, until)
    await telemetry.close()
    return found if isinstance(found, NoData) else list(found)


async def test_its_windows_are_what_was_counted_in_order(url: str) -> None:
    found = await read(url, "steady")
    assert not isinstance(found, NoData)
    arms = [reading.arms if isinstance(reading, Window) else {} for reading in found]
    assert [arm["v1"] for arm in arms] == STEADY
    assert [arm.get("v2") for arm in arms] == YOUNG
    assert all(reading.seconds == 15 for reading in found if isinstance(reading, Window))
    assert arms[0][USERS] == STEADY[0]


async def test_without_a_latency_objective_nothing_is_slow(url: str) -> None:
    found = await read(url, "steady", slow_ms=None)
    assert not isinstance(found, NoData)
    assert all(isinstance(reading, Window) and reading.arms["v1"].slow == 0 for reading in found)


async def test_envoys_that_are_scraped_seldom_and_at_other_times_are_learned_from_all_the_same(url: str) -> None:
    found = await read(url, "seldom")
    assert not isinstance(found, NoData)
    assert len(found) == HISTORY_WINDOWS
    requests = [reading.arms["v1"].requests for reading in found if isinstance(reading, Window)]
    assert sum(requests) == 2 * 120 * 200
    learned = overdispersion(found, SLOS)
    assert all(one.assumed == "" and one.factor < 2.2 for one in learned.values())


async def test_what_was_not_scraped_is_a_hole_and_so_is_a_restart(url: str) -> None:
    found = await read(url, "holed")
    assert not isinstance(found, NoData)
    holes = [at for at, reading in enumerate(found) if isinstance(reading, NoData)]
    assert {*range(104, 139), 199} <= set(holes)
    assert len(holes) < 42
    assert all(min(r.arms["v1"].model_dump().values()) >= 0 for r in found if isinstance(r, Window))


async def test_an_hour_of_which_prometheus_has_nothing_teaches_nothing(url: str) -> None:
    found = await read(url, "steady", UNTIL - timedelta(days=2))
    assert not isinstance(found, NoData)
    assert all(isinstance(reading, NoData) for reading in found)
    assert all(one.assumed for one in overdispersion(found, SLOS).values())


async def test_a_query_that_prometheus_refuses_is_no_data(url: str) -> None:
    answer = await read(url, "steady", queries=replace(Queries(), users_errors="sum(("))
    assert isinstance(answer, NoData)
    assert "refused a query" in answer.reason


async def test_a_prometheus_that_is_away_is_no_data() -> None:
    answer = await read("http://127.0.0.1:1", "steady")
    assert isinstance(answer, NoData)
    assert "is away" in answer.reason


async def test_an_answer_that_is_too_large_is_not_read(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "MOST_BYTES", 1000)
    answer = await read(url, "steady")
    assert isinstance(answer, NoData)
    assert "answered more than 1,000 bytes" in answer.reason


async def test_an_answer_for_another_time_is_unusable() -> None:
    times = instants(UNTIL.timestamp())
    for at in (times[0] - 15, times[-1] + 15):
        with pytest.raises(Unusable, match="another time"):
            readings({"releases": [Series(metric={}, values=[(at, 1.0)])]}, times)
