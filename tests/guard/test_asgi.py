"""In front of a real server: what is turned away, with which status, and that the rest goes through as it came."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest
from served import served
from sternway_guard import ConfigurationError, Limiter, LimitSettings, deadlines
from sternway_guard.asgi import GuardMiddleware, Message, Receive, Scope, Send

from tests.waiting import until

ONE = LimitSettings(initial=1, least=1, most=1, waiting=1, longest_wait=20)


class Application:
    """Answers once it may; says what its caller would wait for."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.begun = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += 1
        await self.may_answer.wait()
        if scope["path"] == "/broken":
            raise RuntimeError
        left = deadlines.left()
        body = "no deadline" if left is None else f"{left:.0f} s left"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-of", b"the application")]})
        await send({"type": "http.response.body", "body": body.encode()})


def worth(scope: Scope) -> float:
    return {"/cart": 5.0, "/broken": 1.0}.get(scope["path"], 0.0)


async def test_a_request_goes_through_as_it_came_with_its_callers_deadline() -> None:
    async with served(GuardMiddleware(Application(), Limiter("shop"))) as url, httpx.AsyncClient() as client:
        plain = await client.get(url)
        assert (plain.status_code, plain.text, plain.headers["x-of"]) == (200, "no deadline", "the application")
        assert (await client.get(url, headers={deadlines.HEADER: "9000"})).text == "9 s left"
        assert (await client.get(url, headers={deadlines.HEADER: "soon"})).text == "no deadline"


async def test_what_nobody_waits_for_is_not_begun() -> None:
    application = Application()
    async with served(GuardMiddleware(application, Limiter("shop"))) as url, httpx.AsyncClient() as client:
        late = await client.get(url, headers={deadlines.HEADER: "0"})
    assert (late.status_code, late.text) == (504, "the deadline has passed, so nobody waits for the answer\n")
    assert "retry-after" not in late.headers
    assert application.begun == 0


async def test_where_there_is_no_room_the_least_valuable_is_turned_away_and_told_when_to_come_again() -> None:
    application, limiter = Application(), Limiter("shop", ONE)
    application.may_answer.clear()
    async with served(GuardMiddleware(application, limiter, worth)) as url, httpx.AsyncClient() as client:
        first = asyncio.create_task(client.get(url))
        await until(lambda: application.begun == 1, 5, "it is so far")
        waits = asyncio.create_task(client.get(url))
        await until(lambda: limiter.waiting == 1, 5, "it is so far")
        valuable = asyncio.create_task(client.get(f"{url}/cart"))
        away = await waits
        application.may_answer.set()
        assert [(await one).status_code for one in (first, valuable)] == [200, 200]
    assert (away.status_code, away.text) == (503, "something worth more took its place\n")
    assert away.headers["retry-after"] == "1"


async def test_an_application_that_fails_gives_its_place_back() -> None:
    limiter = Limiter("shop", ONE)
    async with served(GuardMiddleware(Application(), limiter)) as url, httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/broken")).status_code == 500
        assert (await client.get(url)).status_code == 200
    assert limiter.running == 0


async def test_a_caller_that_goes_away_while_it_waits_gives_its_turn_back() -> None:
    application, limiter = Application(), Limiter("shop", ONE)
    application.may_answer.clear()
    async with served(GuardMiddleware(application, limiter)) as url, httpx.AsyncClient() as client:
        first = asyncio.create_task(client.get(url))
        await until(lambda: application.begun == 1, 5, "it is so far")
        with pytest.raises(httpx.ReadTimeout):
            await client.get(url, timeout=0.05)
        await until(lambda: limiter.waiting == 0, 5, "it is so far")
        application.may_answer.set()
        assert (await first).status_code == 200
    assert (limiter.running, application.begun) == (0, 1)


@pytest.mark.parametrize("size", [0, 100, 1_000_000])
async def test_what_a_request_sends_while_it_waits_is_kept_for_the_application(size: int) -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    limiter, sent = Limiter("shop", ONE), bytes(number % 251 for number in range(size))
    async with served(GuardMiddleware(echo, limiter)) as url, httpx.AsyncClient() as client:
        async with limiter.place_async():
            waits = asyncio.create_task(client.post(url, content=sent))
            await until(lambda: limiter.waiting == 1, 5, "it is so far")
        assert (await waits).content == sent


async def test_a_value_that_cannot_be_said_costs_nobody_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    def broken(scope: Scope) -> float:
        raise KeyError("tenant")

    async with served(GuardMiddleware(Application(), Limiter("shop"), broken)) as url, httpx.AsyncClient() as client:
        assert (await client.get(url)).status_code == 200
    assert "it is served as the usual" in caplog.text


async def test_health_probes_go_through_though_there_is_no_room() -> None:
    application, limiter = Application(), Limiter("shop", replace(ONE, waiting=0))
    guarded = GuardMiddleware(application, limiter, exempt={"/ready"})
    async with served(guarded) as url, httpx.AsyncClient() as client, limiter.place_async():
        assert (await client.get(f"{url}/ready")).status_code == 200
        assert (await client.get(f"{url}/ready/not")).status_code == 503
        assert (limiter.running, application.begun) == (1, 1)


def test_one_path_is_no_collection_of_paths() -> None:
    with pytest.raises(ConfigurationError, match="exempt must be a collection of paths, not one"):
        GuardMiddleware(Application(), Limiter("shop"), exempt="/ready")


async def test_what_is_no_request_goes_through() -> None:
    seen: list[str] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def receive() -> Message:
        return {}

    async def send(message: Message) -> None:
        pass

    await GuardMiddleware(application, Limiter("shop", ONE))({"type": "lifespan"}, receive, send)
    assert seen == ["lifespan"]
