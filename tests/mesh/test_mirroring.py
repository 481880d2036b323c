"""Copies of the GET requests warm a release and show how it answers, and callers notice nothing of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from activities.analytics.drivers.envoy import EnvoyTelemetry
from models.catalog import FallbackAction, LimitAction
from models.lease import LeaseRequest
from models.receipt import Fields, Outcome
from models.telemetry import USERS, Count, Totals, Window, between
from tests.mesh.load import Load, ask
from tests.mesh.stage import Stage
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL: Fields = {"mirror/v2": 100}


@pytest_asyncio.fixture(loop_scope="module")
async def telemetry(stage: Stage) -> AsyncIterator[EnvoyTelemetry]:
    driver = EnvoyTelemetry("eu", f"http://127.0.0.1:{stage.envoy_admin}")
    yield driver
    await driver.close()


async def totals(telemetry: EnvoyTelemetry) -> Totals:
    reading = await telemetry.totals("payments", slow_ms=1000)
    assert isinstance(reading, Totals), reading
    return reading


async def since(before: Totals, telemetry: EnvoyTelemetry) -> dict[str, Count]:
    window = between(before, await totals(telemetry))
    assert isinstance(window, Window), window
    return window.arms


async def send(stage: Stage, method: str = "GET", at_least: int = 100) -> Load:
    """Load until so many requests are answered."""
    async with Load(stage.port, method=method) as load:
        await until(lambda: load.total >= at_least, 10, f"{at_least} requests are answered")
    return load


async def test_copies_are_of_all_requests_alike_whichever_release_answers_them(stage: Stage) -> None:
    await stage.mesh.change(stage.key(), "payments", {"weight/v1": 50, "weight/v2": 50, "mirror/v2": 50}, None)
    names = [f"request-{number}" for number in range(200)]
    for name in names:
        answer = await stage.client.get(f"http://127.0.0.1:{stage.port}/", headers={"host": name})
        assert answer.status_code == 200
    await until(lambda: stage.one.served.total() + stage.two.served.total() > len(names) + 60, 5, "copies have come")
    also_copied = [name for name in names if stage.one.served[f"GET {name}"] and stage.two.served[f"GET {name}"]]
    assert 20 < len(also_copied) < 80, "half of the half that the other release answers"


async def test_a_release_without_weight_gets_every_get_as_the_caller_sent_it_and_no_post(stage: Stage) -> None:
    receipt = await stage.mesh.change(stage.key(), "payments", ALL, None)
    assert receipt.pending == ()
    load = await send(stage)
    assert load.answers.keys() == {"200 v1"}
    await until(lambda: stage.two.served == {"GET x": load.total}, 5, "each request has come as a copy")
    posts = await send(stage, "POST")
    assert posts.answers.keys() == {"200 v1"}
    assert stage.two.served == {"GET x": load.total}
    assert stage.one.served == {"GET x": load.total, "POST x": posts.total}


async def test_the_share_that_was_asked_for_is_copied(stage: Stage) -> None:
    await stage.mesh.change(stage.key(), "payments", {"mirror/v2": 30}, None)
    load = await send(stage, at_least=1000)
    copied = stage.two.served.total() / load.total
    assert 0.2 < copied < 0.4, "six standard deviations of 1000 requests"


@pytest.mark.parametrize("trouble", ["errors", "dead", "slow"])
async def test_callers_do_not_notice_what_is_wrong_with_the_release_and_its_arm_shows_it(
    stage: Stage, telemetry: EnvoyTelemetry, trouble: str
) -> None:
    before = await totals(telemetry)
    await stage.mesh.change(stage.key(), "payments", ALL, None)
    if trouble == "errors":
        stage.two.status = 500
    elif trouble == "slow":
        stage.two.delay = 2.0
    else:
        stage.two.kill()
    load = await send(stage)
    assert load.answers.keys() == {"200 v1"}
    gets, errors, slow = load.total, 0 if trouble == "slow" else load.total, load.total if trouble == "slow" else 0

    async def shown() -> bool:
        return (await since(before, telemetry))["v2"] == Count(requests=gets, errors=errors, slow=slow)

    await until(shown, 15, "the release's arm shows each copy once")
    arms = await since(before, telemetry)
    assert arms[USERS] == arms["v1"] == Count(requests=gets, errors=0, slow=0)


async def test_copies_are_in_flight_until_they_are_answered(stage: Stage, telemetry: EnvoyTelemetry) -> None:
    await stage.mesh.change(stage.key(), "payments", ALL, None)
    stage.two.delay = 0.5
    assert await ask(stage.port) == "200 v1"
    assert await telemetry.in_flight("payments", "v2") == 1
    await stage.mesh.change(stage.key(), "payments", {"mirror/v2": None}, None)
    assert await ask(stage.port) == "200 v1"
    assert stage.two.served.total() == 1

    async def idle() -> bool:
        return await telemetry.in_flight("payments", "v2") == 0

    await until(idle, 5, "the copy is answered")
    assert (await stage.mesh.change(stage.key(), "payments", {"drain/v2": True}, None)).pending == ()


async def test_undoing_restores_exactly_what_was_before(stage: Stage) -> None:
    await stage.mesh.change(stage.key(), "payments", {"mirror/v2": 1, "weight/v1": 100, "weight/v2": 0}, None)
    before = (await stage.mesh.read("payments")).state
    key = stage.key()
    await stage.mesh.change(key, "payments", ALL, None)
    undone = await stage.mesh.undo(key, "payments")
    assert (undone.outcome, undone.pending) == (Outcome.RESTORED, ())
    assert (await stage.mesh.read("payments")).state == before


async def test_copies_end_with_the_undoing(stage: Stage) -> None:
    key = stage.key()
    await stage.mesh.change(key, "payments", ALL, None)
    await stage.mesh.undo(key, "payments")
    assert (await stage.mesh.read("payments")).state == {}
    await send(stage)
    assert stage.two.served.total() == 0


async def test_protected_requests_are_copied_to_nobody(stage: Stage) -> None:
    await stage.mesh.change(stage.key(), "payments", ALL, None)
    request = LeaseRequest(
        id=f"L-{stage.key().incident}", owner="I", service="payments", protection=FallbackAction(share=100), seconds=30
    )
    await stage.protector.take(request)
    assert (await send(stage)).answers.keys() == {"200 c1"}
    assert stage.two.served.total() == 0


async def test_a_limit_bounds_the_copies_too_and_what_it_refuses_is_nobody_s_failure(
    stage: Stage, telemetry: EnvoyTelemetry
) -> None:
    before = await totals(telemetry)
    await stage.mesh.change(stage.key(), "payments", ALL, None)
    request = LeaseRequest(
        id=f"L-{stage.key().incident}",
        owner="I",
        service="payments",
        protection=LimitAction(max_requests=3),
        seconds=30,
    )
    await stage.protector.take(request)
    stage.two.delay = 0.3
    for _ in range(20):
        assert await ask(stage.port) == "200 v1"
    assert stage.two.served.total() == 3

    async def answered() -> bool:
        return (await since(before, telemetry))["v2"].requests == 3

    await until(answered, 5, "three copies are answered")
    assert (await since(before, telemetry))["v2"].errors == 0
