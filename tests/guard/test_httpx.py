"""A client of httpx with guards, against a real server: what is counted, what is sent along, what is made once more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from served import served
from sternway_guard import (
    BreakerOpen,
    BreakerSettings,
    DeadlinePassed,
    Fixed,
    GuardSettings,
    LimitSettings,
    Registry,
    State,
    deadline,
    deadlines,
    retries,
)
from sternway_guard.asgi import Receive, Scope, Send
from sternway_guard.httpx import AsyncGuardTransport, GuardTransport, Outcome

from tests.waiting import until

SETTINGS = GuardSettings(breaker=BreakerSettings(trips=Fixed(share=0.5, least=4)), retries=1.0)


class Server:
    """Answers with what it is told to, one after the other, and then 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.asked: list[tuple[str, str | None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append((scope["method"], headers.get(deadlines.HEADER)))
        status = self.statuses.pop(0) if self.statuses else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"answer"})


def client(registry: Registry, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=AsyncGuardTransport(httpx.AsyncHTTPTransport(), registry, **options))


async def test_a_hosts_failures_open_its_breaker_and_no_other() -> None:
    bad, good, registry = Server(*[500] * 4), Server(), Registry(SETTINGS)
    async with served(bad) as there, served(good) as elsewhere, client(registry) as http:
        assert [(await http.get(there)).status_code for _ in range(4)] == [500] * 4
        with pytest.raises(BreakerOpen):
            await http.get(there)
        assert (await http.get(elsewhere)).text == "answer"
    assert len(bad.asked) == 4


@pytest.mark.parametrize("status", [301, 400, 404, 429, 501])
async def test_what_the_caller_did_wrong_is_no_failure_of_the_host(status: int) -> None:
    registry = Registry(SETTINGS)
    async with served(Server(*[status] * 8)) as url, client(registry) as http:
        for _ in range(8):
            assert (await http.get(url)).status_code == status
    assert [guard.breaker.state for guard in registry] == [State.CLOSED]


async def test_a_host_that_is_not_there_is_a_failure() -> None:
    registry = Registry(SETTINGS)
    async with client(registry) as http:
        for _ in range(4):
            with pytest.raises(httpx.ConnectError):
                await http.get("http://127.0.0.1:1")
        with pytest.raises(BreakerOpen):
            await http.get("http://127.0.0.1:1")


async def test_a_registry_need_not_know_what_failures_of_httpx_look_like() -> None:
    registry = Registry(SETTINGS, fails=lambda error: isinstance(error, KeyError))
    async with served(Server(*[500] * 4)) as url, client(registry) as http:
        for _ in range(4):
            await http.get(url)
        with pytest.raises(BreakerOpen):
            await http.get(url)


async def test_of_errors_the_transport_has_the_word_as_well() -> None:
    registry = Registry(SETTINGS)
    async with client(registry, fails=lambda outcome: isinstance(outcome, httpx.Response)) as http:
        for _ in range(8):
            with pytest.raises(httpx.ConnectError):
                await http.get("http://127.0.0.1:1")


async def test_a_request_that_cannot_be_made_says_nothing_of_the_host() -> None:
    registry = Registry(SETTINGS)
    async with client(registry, attempts=3) as http:
        for _ in range(8):
            with pytest.raises(httpx.UnsupportedProtocol):
                await http.get("gopher://127.0.0.1")
    assert [guard.breaker.state for guard in registry] == [State.CLOSED]


async def test_a_time_out_lowers_the_limit_as_any_other_does() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.5)

    registry = Registry(GuardSettings(limit=LimitSettings(initial=10)))
    async with served(silent) as url, client(registry, target=lambda request: "silent") as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(url, timeout=0.05)
    limiter = registry.guard("silent").limiter
    assert limiter
    assert limiter.limit < 10


async def test_an_answer_that_is_made_once_more_leaves_its_connection_to_that() -> None:
    one = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=1))
    async with served(Server(503, 503, 200)) as url:
        transport = AsyncGuardTransport(one, Registry(SETTINGS), attempts=3)
        async with httpx.AsyncClient(transport=transport, timeout=httpx.Timeout(5, pool=0.5)) as http:
            assert (await http.get(url)).status_code == 200


async def test_who_is_cancelled_before_another_attempt_leaves_no_connection_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE", 1e6)
    monkeypatch.setattr(retries, "LONGEST_PAUSE", 1e6)
    one = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=1))
    server, registry = Server(503), Registry(SETTINGS)
    async with served(server) as url:
        transport = AsyncGuardTransport(one, registry, target=lambda request: "there", attempts=3)
        async with httpx.AsyncClient(transport=transport, timeout=httpx.Timeout(5, pool=0.5)) as http:
            waits = asyncio.create_task(http.get(url))
            await until(lambda: registry.guard("there").breaker.counts.bad, 5, "it waits for its next attempt")
            waits.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waits
            assert (await http.get(url)).status_code == 200


async def test_what_may_be_repeated_is_made_once_more_within_the_budget() -> None:
    server, registry = Server(503, 503, 200, 503), Registry(SETTINGS)
    async with served(server) as url, client(registry, attempts=3) as http:
        assert (await http.get(url)).status_code == 200
        assert len(server.asked) == 2 + 1
        assert (await http.post(url)).status_code == 503, "a POST may have had its effect"
    stingy = Registry(GuardSettings(breaker=SETTINGS.breaker, retries=0.0))
    server = Server(*[503] * 10)
    async with served(server) as url, client(stingy, attempts=3) as http:
        await http.get(url)
        await http.get(url)
    assert len(server.asked) == 3, "one retry a second is always there, and no more"


async def test_a_retry_that_is_not_made_leaves_the_answer_that_there_was() -> None:
    trips = GuardSettings(breaker=BreakerSettings(trips=Fixed(share=0.5, least=1)), retries=1.0)
    server = Server(503)
    async with served(server) as url, client(Registry(trips), attempts=3) as http:
        answer = await http.get(url)
    assert (answer.status_code, answer.text, len(server.asked)) == (503, "answer", 1)


async def test_a_predicate_that_raises_costs_nobody_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    def broken(outcome: Outcome) -> bool:
        raise KeyError("x-failed")

    async with served(Server(200)) as url, client(Registry(SETTINGS), fails=broken) as http:
        assert (await http.get(url)).text == "answer"
    assert "could not be said" in caplog.text


async def test_a_body_that_was_a_stream_is_not_sent_again() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"once"

    server = Server(503)
    async with served(server) as url, client(Registry(SETTINGS), attempts=3) as http:
        assert (await http.put(url, content=body())).status_code == 503


async def test_the_deadline_goes_along_and_after_it_nothing_does() -> None:
    server = Server()
    async with served(server) as url, client(Registry(SETTINGS)) as http:
        with deadline(9):
            await http.get(url)
        with deadline(0), pytest.raises(DeadlinePassed):
            await http.get(url)
        await http.get(url)
    (_, first), (_, second) = server.asked
    assert 8000 < int(first or 0) <= 9000
    assert second is None


async def test_a_client_without_tasks_is_guarded_as_well() -> None:
    server, registry = Server(503, 200, *[500] * 9), Registry(SETTINGS)
    async with served(server) as url:

        def calls() -> None:
            transport = GuardTransport(httpx.HTTPTransport(), registry, attempts=2)
            with httpx.Client(transport=transport) as http:
                assert http.get(url).status_code == 200
                with pytest.raises(BreakerOpen):
                    for _ in range(9):
                        http.post(url)

        await asyncio.to_thread(calls)
