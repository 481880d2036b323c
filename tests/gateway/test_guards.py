"""What the gateway tells guards, with the library itself as the one that listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from math import inf, nan
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from sternway_guard import Control, Guard, GuardSettings, LimitSettings, Mode, Registry
from sternway_guard.protocol import Garbage, read

from activities.analytics.store import Store, StoreUnavailable, intents
from models.intent import IntentRequest, Tier, Told
from tests.gateway.running_gateway import ALERTS, GUARDS, PEOPLE, Gateway, a_gateway, settings_for
from tests.waiting import until
from workers.gateway import guard_states
from workers.local.ports import free_ports


@pytest.fixture
async def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Gateway]:
    monkeypatch.setattr(guard_states, "LOOKS_EVERY", 0.02)
    async with a_gateway(settings_for(tmp_path, free_ports(1)[0])) as running:
        yield running
        running.parts.guards.close()


def wish(id: str = "01A-shed", seconds: float = 60, **said: Any) -> IntentRequest:
    known = {"owner": "01A", "tier": Tier.SERVICE, "region": "eu", "target": "payments", "because": "a test"}
    return IntentRequest(id=id, seconds=seconds, **(known | said))


def take(told: Gateway, request: IntentRequest) -> None:
    intents.take(told.parts.store, request, datetime.now(UTC))


def listening(told: Gateway, registry: Registry, region: str = "eu") -> Control:
    made = Control(registry, str(told.http.base_url), GUARDS, region)
    made.start()
    return made


def shown(guard: Guard) -> tuple[Mode, float]:
    assert guard.limiter
    return guard.breaker.mode, guard.limiter.least_value


async def test_a_guard_does_what_is_wanted_of_its_region_until_that_is_lifted_or_lapses(told: Gateway) -> None:
    registry = Registry(GuardSettings(limit=LimitSettings()))
    payments = registry.guard("payments")
    take(told, wish("before", least_value=5))
    take(told, wish("elsewhere", region="us", mode="forced-open"))
    control = listening(told, registry)
    await until(lambda: shown(payments) == (Mode.ON, 5), 5, "what held before is told")
    take(told, wish("short", seconds=0.2, mode="forced-open"))
    await until(lambda: shown(payments) == (Mode.FORCED_OPEN, 5), 5, "what is new is told")
    await until(lambda: shown(payments) == (Mode.ON, 5), 5, "what has lapsed is lifted")
    intents.lift(told.parts.store, wish("before"), datetime.now(UTC))
    await until(lambda: shown(payments) == (Mode.ON, float("-inf")), 5, "what was lifted is")
    assert not registry.standing.alone
    control.stop()


async def lines(told: Gateway, count: int, region: str = "eu") -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {GUARDS}"}
    found: list[dict[str, Any]] = []
    async with told.http.stream("GET", "/v1/guards", params={"region": region}, headers=headers) as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        async for line in answer.aiter_lines():
            found.append(json.loads(line))
            if len(found) == count:
                break
            take(told, wish(f"w{len(found)}", mode="shadow", target=f"t{len(found)}"))
    return found


async def test_each_line_says_what_is_new_since_the_one_before(told: Gateway) -> None:
    take(told, wish(retries=0.0))
    first, second, third = await lines(told, 3)
    assert first == {"v": 1, "epoch": 1, "since": 0, "ttl": 30, "intents": {"payments": {"retries": 0}}}
    assert second == {"v": 1, "epoch": 2, "since": 1, "ttl": 30, "intents": {"t1": {"mode": "shadow"}}}
    assert (third["epoch"], third["since"], list(third["intents"])) == (3, 2, ["t2"])


async def test_a_word_is_renewed_while_nothing_changes(told: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_states, "BEAT", 0.1)
    headers = {"Authorization": f"Bearer {GUARDS}"}
    async with told.http.stream("GET", "/v1/guards", params={"region": "eu"}, headers=headers) as answer:
        said = answer.aiter_lines()
        found = [json.loads(await anext(said)) for _ in range(3)]
    assert [(one["epoch"], one["since"], one["intents"]) for one in found] == [(0, 0, {})] * 3


async def test_a_word_that_nobody_can_check_is_not_told_again(told: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    take(told, wish(mode="forced-open"))
    await lines(told, 1)

    def away(*_: object) -> int:
        raise StoreUnavailable("away")

    monkeypatch.setattr(intents, "lapse", away)
    monkeypatch.setattr(guard_states, "BEAT", 0.1)
    await asyncio.sleep(0.2)  # the beat after which the last look counts no more
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await lines(told, 1)


async def test_what_cannot_be_understood_of_one_region_is_kept_from_no_other_and_not_for_long(
    told: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_state, spoilt = intents.state, ["us"]

    def state(store: Store, region: str) -> tuple[int, dict[str, Told]]:
        if region in spoilt:
            raise ValueError("a row that nobody can read")
        return read_state(store, region)

    monkeypatch.setattr(intents, "state", state)
    take(told, wish(mode="shadow", tier=Tier.PERSON))
    take(told, wish("there", region="us", mode="off", tier=Tier.PERSON))
    us, eu = Registry(), Registry()
    controls = [listening(told, us, "us"), listening(told, eu)]
    await until(lambda: eu.guard("payments").breaker.mode is Mode.SHADOW, 5, "the other region is told")
    assert us.standing.alone
    spoilt.clear()
    await until(lambda: us.guard("payments").breaker.mode is Mode.OFF, 5, "it is told once it can be read")
    for control in controls:
        control.stop()


RANGES = [{"least_value": value} for value in (0, -1e300, 1e300, -1.1e300, 1.1e300, inf, nan)] + [
    {"retries": share} for share in (0, 1, -0.1, 1.1, nan)
]


@pytest.mark.parametrize("said", RANGES, ids=str)
def test_what_the_gateway_takes_is_what_guards_understand(said: dict[str, float]) -> None:
    line = json.dumps({"v": 1, "epoch": 1, "since": 0, "ttl": 30, "intents": {"payments": said}}).encode()
    try:
        Told.model_validate(said)
    except ValidationError:
        with pytest.raises(Garbage):
            read(line)
    else:
        assert read(line).intents


@pytest.mark.parametrize("target", ["", "x" * 501])
def test_a_target_has_a_name_of_some_length(target: str) -> None:
    with pytest.raises(ValidationError, match="target"):
        wish(target=target)


@pytest.mark.parametrize("token", [ALERTS, PEOPLE, "wrong", None])
async def test_guards_have_a_token_of_their_own(told: Gateway, token: str | None) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    assert (await told.http.get("/v1/guards", params={"region": "eu"}, headers=headers)).status_code == 401
    assert (await told.http.post("/v1/guards/transitions", json={}, headers=headers)).status_code == 401


async def test_a_region_that_is_not_there_is_named_with_those_that_are(told: Gateway) -> None:
    answer = await told.http.get("/v1/guards", params={"region": "mars"}, headers={"Authorization": f"Bearer {GUARDS}"})
    assert (answer.status_code, answer.json()["detail"][:46]) == (404, "the catalog has no region 'mars'; it has eu, u")


async def test_transitions_are_counted_by_targets_that_are_known(told: Gateway) -> None:
    def told_of(target: str) -> dict[str, str]:
        return {"target": target, "before": "closed", "after": "open", "because": "its calls have become worse"}

    body = {"v": 1, "region": "eu", "transitions": [told_of("payments"), told_of("payments"), told_of("x" * 400)]}
    answer = await post(told, body)
    assert (answer.status_code, answer.json()) == (202, {"taken": 3})
    metrics = (await told.ask("GET", "/metrics")).text
    assert 'sternway_guard_transitions_total{state="open",target="payments"} 2.0' in metrics
    assert 'sternway_guard_transitions_total{state="open",target="other"} 1.0' in metrics


@pytest.mark.parametrize("body", [{}, [], {"v": 2, "region": "eu", "transitions": []}, {"v": 1, "region": "eu"}])
async def test_what_is_no_report_is_refused_with_its_place(told: Gateway, body: Any) -> None:
    answer = await post(told, body)
    assert answer.status_code == 422
    assert all(problem["loc"] is not None and problem["msg"] for problem in answer.json()["detail"])


async def post(told: Gateway, body: Any) -> httpx.Response:
    return await told.http.post("/v1/guards/transitions", json=body, headers={"Authorization": f"Bearer {GUARDS}"})
