"""Readiness comes with one good answer and goes with three bad ones; a poller has had a version or has not."""

from __future__ import annotations

import asyncio

import pytest

from workers.local.agent.discovery import Discovery, Listed
from workers.local.agent.readiness import UNTIL_READY, WHILE_READY, Readiness, healthy


@pytest.mark.parametrize(
    ("answers", "ready"),
    [("", False), ("-", False), ("+", True), ("+--", True), ("+---", False), ("+--+--", True), ("+---+", True)],
)
def test_what_the_answers_amount_to(answers: str, ready: bool) -> None:
    readiness = Readiness(ready=False)
    for answer in answers:
        readiness.heard(answer == "+")
    assert readiness.ready is ready
    assert readiness.interval == (WHILE_READY if ready else UNTIL_READY)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 503 Busy\r\n\r\n", False),
        (b"HTTP/1.1 2000\r\n\r\n", False),
        (b"200\r\n", False),
        (b"", False),
        (b"x" * 100_000, False),
    ],
)
async def test_only_a_200_is_healthy(answer: bytes, expected: bool) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await healthy("127.0.0.1", port) is expected
    assert not await healthy("127.0.0.1", port)


REPLICA = Listed(id="01A", region="eu", service="s", release="v1", address="127.0.0.1:1", status="ready", pid=1)


async def test_a_poll_with_another_version_is_answered_at_once_and_one_with_this_waits_for_the_next() -> None:
    discovery = Discovery(starts=2)
    now = (await discovery.wait("mesh", 0, 30)).version
    waiting = asyncio.create_task(discovery.wait("mesh", now, 30))
    await asyncio.sleep(0)
    assert discovery.publish(()) == now
    assert discovery.publish((REPLICA,)) == now + 1
    assert (await waiting).replicas == (REPLICA,)
    assert (await discovery.wait("mesh", now + 1, 0.01)).version == now + 1
    assert (await Discovery(starts=3).wait("mesh", now + 1, 30)).version > now + 1


async def test_a_version_was_had_once_every_poller_has_come_back_with_it() -> None:
    discovery = Discovery(starts=1)
    first = (await discovery.wait("eu", 0, 30)).version
    await discovery.wait("us", 0, 30)
    second = discovery.publish((REPLICA,))
    assert not await discovery.had(second, 0.1)
    await discovery.wait("eu", second, 0)
    assert not await discovery.had(second, 0.1)
    await discovery.wait("us", second, 0)
    assert await discovery.had(second, 0.1)
    assert await discovery.had(first, 0.1)


async def test_a_poller_that_stays_away_is_not_waited_for() -> None:
    discovery = Discovery(starts=1)
    await discovery.wait("gone", 0, 30)
    assert await discovery.had(discovery.publish((REPLICA,)), 10)
