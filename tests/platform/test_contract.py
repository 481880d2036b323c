"""What every platform promises, whatever it is: run over each implementation."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from activities.driver import Moved, Refused, Unavailable
from activities.platform.driver import Platform, Workload
from activities.platform.drivers.kubernetes import KubernetesPlatform
from activities.platform.drivers.local import LocalPlatform
from models.catalog import Driver
from models.identity import Key
from models.receipt import Fields, Outcome, Receipt
from tests.platform import api_server
from tests.platform.agents import TOKEN, AgentProcess
from tests.waiting import until

SERVICE = "dispatch"


def on_kubernetes(url: str, seconds: float = 5) -> KubernetesPlatform:
    return KubernetesPlatform(Driver(kind="kubernetes", url=url), seconds)


Connect = Callable[[str, float], LocalPlatform | KubernetesPlatform]
DRIVERS: dict[str, Connect] = {
    "local": lambda url, seconds: LocalPlatform(url, TOKEN, seconds),
    "kubernetes": on_kubernetes,
}


@dataclass(frozen=True)
class Place:
    """A platform that knows how to run releases v1 and v2 of the service, and a region where it runs none of it."""

    driver: Platform
    region: str
    rest: int | None = None
    """What the number of replicas of a release reads that nobody has ever wanted to run."""

    @property
    def at_rest(self) -> dict[str, int]:
        """The numbers before anybody has changed them."""
        return {} if self.rest is None else {"v1": self.rest, "v2": self.rest}

    def key(self, step: str, incident: str = "01J0000000000000000000TEST") -> Key:
        return Key(incident=incident, step=f"{self.region}:{step}")

    async def read(self, service: str = SERVICE) -> Workload:
        return await self.driver.read(self.region, service)

    async def change(
        self,
        step: str,
        fields: Fields,
        expected: int | None = None,
        service: str = SERVICE,
        incident: str = "01J0000000000000000000TEST",
    ) -> Receipt:
        return await self.driver.change(self.key(step, incident), self.region, service, fields, expected)

    async def undo(self, step: str) -> Receipt:
        return await self.driver.undo(self.key(step), self.region, SERVICE)


@pytest.fixture
async def local(shared: AgentProcess) -> AsyncIterator[Place]:
    driver = LocalPlatform(shared.url, TOKEN)
    yield Place(driver, shared.region)
    await driver.close()


@pytest.fixture
async def kubernetes() -> AsyncIterator[Place]:
    async with api_server.running() as server:
        for release in ("v1", "v2"):
            server.cluster.create("deployments", api_server.deployment(SERVICE, release))
        driver = on_kubernetes(server.url)
        yield Place(driver, "eu", rest=0)
        await driver.close()


@pytest.fixture(params=["local", "kubernetes"])
def platform(request: pytest.FixtureRequest) -> Place:
    return request.getfixturevalue(request.param)


async def test_what_is_wanted_becomes_ready_and_reads_back(platform: Place) -> None:
    receipt = await platform.change("scale", {"replicas/v1": 1})
    assert (receipt.before, receipt.after, receipt.outcome) == (
        {"replicas/v1": platform.rest},
        {"replicas/v1": 1},
        "applied",
    )

    async def ready() -> bool:
        return (await platform.read()).ready.get("v1") == 1

    await until(ready, 15, "one ready replica of v1")
    workload = await platform.read()
    assert (workload.generation, workload.replicas) == (receipt.generation, {**platform.at_rest, "v1": 1})


async def test_a_repeated_change_returns_the_first_receipt_and_changes_nothing(platform: Place) -> None:
    expected = (await platform.read()).generation
    first = await platform.change("scale", {"replicas/v1": 0, "replicas/v2": 0}, expected)
    assert await platform.change("scale", {"replicas/v1": 0, "replicas/v2": 0}, expected) == first
    assert (await platform.read()).generation == first.generation


async def test_of_simultaneous_repeats_of_one_key_one_takes_effect(platform: Place) -> None:
    calls = (platform.change("scale", {"replicas/v1": 0}) for _ in range(5))
    receipts = await asyncio.gather(*calls)
    assert len({receipt.model_dump_json() for receipt in receipts}) == 1
    assert (await platform.read()).generation == receipts[0].generation


async def test_a_change_made_for_an_older_generation_is_told_what_there_is_now(platform: Place) -> None:
    first = await platform.change("one", {"replicas/v1": 0})
    with pytest.raises(Moved) as moved:
        await platform.change("two", {"replicas/v1": 1}, first.generation - 1)
    now = await platform.read()
    assert (moved.value.conflict.generation, moved.value.conflict.state) == (first.generation, now.state)
    assert now.replicas == {**platform.at_rest, "v1": 0}


async def test_undoing_restores_and_repeats_itself(platform: Place) -> None:
    await platform.change("one", {"replicas/v1": 0})
    before = await platform.read()
    await platform.change("two", {"replicas/v1": 1, "replicas/v2": 1})
    undone = await platform.undo("two")
    assert undone.outcome is Outcome.RESTORED
    assert await platform.undo("two") == undone
    assert (await platform.read()).state == before.state


async def test_undoing_does_not_overwrite_a_newer_change(platform: Place) -> None:
    await platform.change("ours", {"replicas/v2": 1})
    await platform.change("theirs", {"replicas/v2": 0})
    assert (await platform.undo("ours")).outcome is Outcome.SUPERSEDED
    assert (await platform.read()).replicas == {**platform.at_rest, "v2": 0}


RESTART: Fields = {"restarted/v1": "2026-01-31T12:00:00+00:00"}


async def test_a_restart_changes_no_number_of_replicas_and_reads_back(platform: Place) -> None:
    await platform.change("scale", {"replicas/v1": 1})
    before = await platform.read()
    receipt = await platform.change("restart", RESTART, before.generation)
    assert await platform.change("restart", RESTART, before.generation) == receipt
    now = await platform.read()
    assert (now.state, now.generation) == ({**before.state, **RESTART}, receipt.generation)
    assert (await platform.undo("restart")).outcome is Outcome.RESTORED
    assert (await platform.read()).replicas == before.replicas


async def test_a_change_that_comes_after_its_undoing_is_refused(platform: Place) -> None:
    assert (await platform.undo("late")).outcome is Outcome.NEVER_HAPPENED
    with pytest.raises(Refused, match="taken back before it came"):
        await platform.change("late", {"replicas/v1": 1})
    assert (await platform.read()).replicas == platform.at_rest


async def test_the_receipts_of_an_incident_are_its_own_and_in_the_order_of_its_changes(platform: Place) -> None:
    ours = f"{platform.region}-ours"
    first = await platform.change("one", {"replicas/v1": 0}, incident=ours)
    await platform.change("two", {"replicas/v2": 0}, incident=f"{ours}-and-more")
    second = await platform.change("three", {"replicas/v1": 1}, incident=ours)
    undone = await platform.driver.undo(platform.key("three", ours), platform.region, SERVICE)
    assert await platform.driver.receipts(ours) == (first, second, undone)
    assert {receipt.resource for receipt in (first, second)} == {f"{platform.region}/{SERVICE}"}
    assert await platform.driver.receipts(f"{platform.region}-nobody") == ()


async def test_a_fenced_incident_changes_nothing_more_and_can_still_be_undone(platform: Place) -> None:
    ours = f"{platform.region}-fenced"
    first = await platform.change("one", {"replicas/v1": 0}, incident=ours)
    fence = await platform.driver.fence(ours)
    assert await platform.driver.fence(ours) == fence
    assert await platform.change("one", {"replicas/v1": 0}, incident=ours) == first
    with pytest.raises(Refused, match="ended from outside"):
        await platform.change("two", {"replicas/v1": 1}, incident=ours)
    assert (await platform.change("theirs", {"replicas/v2": 0}, incident=f"{ours}-not")).outcome is Outcome.APPLIED
    undone = await platform.driver.undo(platform.key("one", ours), platform.region, SERVICE)
    assert undone.outcome is Outcome.RESTORED


@pytest.mark.parametrize(
    ("service", "fields", "reason"),
    [
        (SERVICE, {"replicas/v3": 1}, "v3"),
        (SERVICE, {"replicas/v1": -1}, "greater than or equal"),
        (SERVICE, {"replicas/v1": "1"}, "valid integer"),
        (SERVICE, {"replicas/v1": "2026-01-31T12:00:00Z"}, "valid integer"),
        (SERVICE, {"restarted/v1": 1}, "a time"),
        (SERVICE, {"restarted/v3": "2026-01-31T12:00:00Z"}, "v3"),
        (SERVICE, {"weight/v1": 1}, "pattern"),
        (SERVICE, {}, "at least 1"),
        ("nobody", {"replicas/v1": 1}, "not known here"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_a_reason(
    platform: Place, service: str, fields: dict[str, int], reason: str
) -> None:
    before = await platform.read()
    with pytest.raises(Refused, match=reason):
        await platform.change("scale", dict(fields), service=service)
    assert await platform.read() == before


async def test_a_service_that_nobody_knows_is_refused(platform: Place) -> None:
    with pytest.raises(Refused, match="nobody"):
        await platform.read("nobody")


@pytest.mark.parametrize(
    "answers", [b"", b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n{}"]
)
@pytest.mark.parametrize("connect", DRIVERS.values(), ids=DRIVERS)
async def test_an_answer_that_leaves_the_call_open_is_unavailable(answers: bytes, connect: Connect) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        driver = connect(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", 5)
        with pytest.raises(Unavailable):
            await driver.read("eu", SERVICE)
        await driver.close()


@pytest.mark.parametrize("connect", DRIVERS.values(), ids=DRIVERS)
async def test_silence_and_absence_are_unavailable(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts into its queue and never answers
        driver = connect(f"http://127.0.0.1:{silent.getsockname()[1]}", 0.2)
        with pytest.raises(Unavailable, match="did not answer"):
            await driver.change(Key(incident="I", step="s"), "eu", SERVICE, {"replicas/v1": 1}, None)
    with pytest.raises(Unavailable, match="did not answer"):
        await driver.read("eu", SERVICE)
    await driver.close()
