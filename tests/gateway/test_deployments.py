"""Delivery systems tell of releases: durable before the answer, once, and with a place or the reason why not."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from pydantic import SecretStr

from models.base import SternwayError
from models.catalog import Catalog
from models.settings import Settings
from tests.gateway.running_gateway import (
    ALERTS,
    CATALOG,
    DEPLOYMENTS,
    METRICS,
    PEOPLE,
    REPORTS,
    Gateway,
    a_gateway,
    alert,
    message,
    settings_for,
)
from tests.waiting import until
from workers.gateway.authentication import Unauthenticated, authenticate_github
from workers.gateway.body import WEBHOOK, WEBHOOK_WITHIN, WEBHOOKS_AT_ONCE
from workers.gateway.sources import github
from workers.local.ports import free_ports

SHARED = Path(__file__).parents[3] / "shared" / "payloads"
real = pytest.mark.skipif(not SHARED.is_dir(), reason="the collected payloads are not beside this repository")

SECRET, NEXT_SECRET = "github-secret-41c9", "github-secret-77d0"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PING = {"zen": "Anything added dilutes everything else."}
DEPLOYED = {"service": "payments", "region": "eu", "release": "v7", "at": "2026-01-31T12:00:00Z"}


@pytest.fixture
async def told(tmp_path: Path) -> AsyncGenerator[Gateway]:
    """A gateway without Temporal that knows GitHub's secret, and the one that is to follow it."""
    secrets = (SecretStr(SECRET), SecretStr(NEXT_SECRET))
    async with a_gateway(settings_for(tmp_path, free_ports(1)[0], github_secrets=secrets)) as running:
        yield running


def status(state: str = "success", **changed: Any) -> dict[str, Any]:
    """A deployment_status of payments in eu, as far as it is read."""
    deployment = {"id": 7, "sha": "c0ffee", "ref": "v7", "environment": "production-eu", "creator": {"login": "ada"}}
    return {
        "deployment_status": {"state": state, "created_at": "2026-01-31T12:00:00Z", "target_url": "https://ci/7"},
        "deployment": deployment | changed,
        "repository": {"full_name": "Acme/Payments"},
    }


def signed(body: bytes, secret: str = SECRET) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


async def send(gateway: Gateway, body: object, event: str = "deployment_status", **headers: str) -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"X-GitHub-Event": event, "X-Hub-Signature-256": signed(raw), "X-GitHub-Delivery": "d-1", **headers}
    return await gateway.http.post("/v1/sources/github", content=raw, headers=sent)


async def tell(gateway: Gateway, body: object, headers: dict[str, str] | None = None) -> httpx.Response:
    authorization = {"Authorization": f"Bearer {DEPLOYMENTS}"}
    return await gateway.http.post("/v1/deployments", json=body, headers=authorization | (headers or {}))


async def known(gateway: Gateway, query: str = "service=payments&region=eu") -> list[dict[str, Any]]:
    return (await gateway.ask("GET", f"/v1/deployments?{query}")).json()


async def test_a_deployment_is_kept_before_it_is_answered_and_once_by_its_key(told: Gateway) -> None:
    key = {"Idempotency-Key": "build-7"}
    more = {"url": "https://ci/7", "description": "new prices", "deployer": "ada"}
    first = await tell(told, DEPLOYED | more, key)
    again = await tell(told, DEPLOYED | more, key)
    assert [(one.status_code, one.json()["state"]) for one in (first, again)] == [(202, "recorded"), (202, "repeated")]
    (kept,) = await known(told)
    assert {name: kept[name] for name in (*DEPLOYED, *more)} == DEPLOYED | more
    assert (kept["source"], kept["reference"]) == ("api", "build-7")


@pytest.mark.parametrize(
    "other",
    [{"region": "us"}, {"release": "v8"}, {"service": "ledger", "region": "us"}],
    ids=lambda other: next(iter(other)),
)
async def test_a_key_that_was_anothers_is_refused_and_says_whose_it_is(told: Gateway, other: dict[str, str]) -> None:
    key = {"Idempotency-Key": "payments-build-1207"}
    await tell(told, DEPLOYED, key)
    refused = await tell(told, DEPLOYED | other, key)
    assert refused.status_code == 409
    for said in ('"payments-build-1207" was used for v7 of payments in eu', "one key for each deployment"):
        assert said in refused.json()["detail"]
    new = DEPLOYED | other
    place = f"service={new['service']}&region={new['region']}"
    assert [one["release"] for one in await known(told, place)] == (["v7"] if "release" in other else [])
    assert (await tell(told, new, {"Idempotency-Key": "another"})).json()["state"] == "recorded"


async def test_a_repeat_is_answered_with_what_is_kept(told: Gateway) -> None:
    key = {"Idempotency-Key": "build-7"}
    first = (await tell(told, DEPLOYED, key)).json()["deployments"]
    later = await tell(told, DEPLOYED | {"at": "2026-02-01T12:00:00Z"}, key)
    assert (later.json()["state"], later.json()["deployments"]) == ("repeated", first)


async def test_region_and_time_may_be_left_out_where_they_are_plain(told: Gateway) -> None:
    answer = await tell(told, {"service": "ledger", "release": "v2"})
    assert answer.json()["deployments"][0]["region"] == "us"
    (kept,) = await known(told, "service=ledger&region=us")
    assert kept["at"] == kept["received_at"]


@pytest.mark.parametrize("missing", [{"service": ""}, {"region": None}], ids=["service", "region"])
async def test_who_names_no_place_hears_of_the_body_and_not_of_an_alerts_labels(
    told: Gateway, missing: dict[str, str | None]
) -> None:
    answer = await tell(told, DEPLOYED | missing)
    assert answer.status_code == 422
    assert 'correct "service" and "region" in the body' in answer.json()["detail"]
    assert "label" not in answer.json()["detail"]


async def test_a_clock_that_is_ahead_does_not_make_a_deployment_the_newest_for_hours(told: Gateway) -> None:
    await tell(told, DEPLOYED | {"at": "2999-01-01T00:00:00Z"})
    (kept,) = await known(told)
    assert kept["at"] == kept["received_at"]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"service": "paymnts"}, 'did you mean "payments"?'),
        ({"region": "mars"}, 'does not live in "mars"'),
        ({"release": "main/v7"}, "release"),
        ({"at": "2026-01-31T12:00:00"}, "zone"),
        ({"relaese": "v7"}, "relaese"),
    ],
)
async def test_a_deployment_that_cannot_be_meant_is_refused(
    told: Gateway, body: dict[str, str], complaint: str
) -> None:
    answer = await tell(told, DEPLOYED | body)
    assert (answer.status_code, complaint in answer.text.replace("\\", "")) == (422, True)
    assert await known(told) == []


@pytest.mark.parametrize("token", ["wrong", PEOPLE, ALERTS, REPORTS, METRICS])
async def test_only_delivery_systems_may_tell_and_hear_which_token_that_takes(told: Gateway, token: str) -> None:
    answer = await told.http.post("/v1/deployments", json=DEPLOYED, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, '"deployments" in STERNWAY_ALERT_TOKENS' in answer.json()["detail"]) == (401, True)
    assert await known(told) == []


async def test_a_locked_store_accepts_nothing_and_the_repeat_is_no_repetition(told: Gateway) -> None:
    file = told.parts.settings.store_url.removeprefix("sqlite:///")
    key = {"Idempotency-Key": "build-7"}
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert (await tell(told, DEPLOYED, key)).status_code == 503
        assert (await send(told, status())).status_code == 503
        other.execute("ROLLBACK")
    assert (await tell(told, DEPLOYED, key)).json()["state"] == "recorded"
    assert (await send(told, status())).json()["state"] == "recorded"


async def test_while_a_secret_is_replaced_both_sign(told: Gateway) -> None:
    body = json.dumps(status()).encode()
    for secret, answered in ((SECRET, 202), (NEXT_SECRET, 202), ("the one before", 401)):
        answer = await send(told, body, **{"X-Hub-Signature-256": signed(body, secret)})
        assert answer.status_code == answered, secret


@pytest.mark.parametrize("secrets", [("",), ("one", "two", "three")], ids=["empty", "three"])
def test_at_most_two_secrets_are_active_and_none_is_empty(secrets: tuple[str, ...]) -> None:
    with pytest.raises(SternwayError, match="STERNWAY_GITHUB_SECRETS"):
        Settings(github_secrets=tuple(map(SecretStr, secrets)))


@pytest.mark.parametrize("signature", ["", "sha256=", signed(b"another body"), signed(b"", "another secret"), "sha1=0"])
async def test_a_webhook_without_the_right_signature_is_not_let_in(told: Gateway, signature: str) -> None:
    headers = {"X-GitHub-Event": "deployment_status", "X-Hub-Signature-256": signature}
    answer = await told.http.post("/v1/sources/github", json=status(), headers=headers)
    assert answer.status_code == 401
    assert await known(told) == await known(told, "state=unrouted") == []


async def test_without_a_secret_the_route_is_closed_to_everybody(alone: Gateway) -> None:
    assert (await send(alone, b"", **{"X-Hub-Signature-256": signed(b"", "")})).status_code == 401


@pytest.mark.parametrize("signature", ["", "sha1=0", "sha256=" + "g" * 64])
async def test_without_a_signature_no_body_is_waited_for(told: Gateway, signature: str) -> None:
    assert await answered_before_a_body(told, signature) == 401


async def test_without_a_secret_no_body_is_waited_for(alone: Gateway) -> None:
    assert await answered_before_a_body(alone, signed(b"")) == 401


async def test_what_github_sends_is_small(told: Gateway) -> None:
    answer = await send(told, b" " * (WEBHOOK + 1), "ping")
    assert (answer.status_code, str(WEBHOOK) in answer.json()["detail"]) == (413, True)
    assert (await send(told, b" " * WEBHOOK, "ping")).status_code == 200


async def test_bodies_that_claim_to_be_githubs_and_never_end_leave_alerts_their_room_and_are_sent_away(
    told: Gateway,
) -> None:
    async def full() -> bool:
        return (await send(told, PING, "ping")).status_code == 503

    async with AsyncExitStack() as connections:
        held = [
            await connections.enter_async_context(half_a_webhook(told, signed(b""), b" " * WEBHOOK))
            for _ in range(WEBHOOKS_AT_ONCE // WEBHOOK)
        ]
        await until(full, WEBHOOK_WITHIN, "there is no more room for GitHub")
        assert (await told.post(message(alert()))).status_code == 202
        async with asyncio.timeout(3 * WEBHOOK_WITHIN):
            answers = [await reader.read() for reader in held]  # the gateway closes the connections
        assert {answer.split()[1] for answer in answers} == {b"408"}
        assert (await send(told, PING, "ping")).status_code == 200


@asynccontextmanager
async def half_a_webhook(gateway: Gateway, signature: str, sent: bytes = b"") -> AsyncGenerator[asyncio.StreamReader]:
    """A connection on which the head of a webhook is sent and *sent* of its body, and no more."""
    url = gateway.http.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST /v1/sources/github HTTP/1.1\r\nHost: {url.host}\r\nContent-Length: {len(sent) or 1000}\r\n"
    writer.write(f"{head}X-Hub-Signature-256: {signature}\r\n\r\n".encode() + sent[:-1])
    try:
        yield reader
    finally:
        writer.close()


async def answered_before_a_body(gateway: Gateway, signature: str) -> int:
    async with half_a_webhook(gateway, signature) as reader, asyncio.timeout(5):
        return int((await reader.readline()).split()[1])


async def test_a_ping_is_answered(told: Gateway) -> None:
    answer = await send(told, PING, "ping")
    assert (answer.status_code, answer.json()) == (200, {"state": "pong"})


@pytest.mark.parametrize(("event", "body"), [("ping", PING), ("deployment_status", status())])
async def test_a_webhook_with_githubs_default_content_type_looks_wrong_from_its_ping_on(
    told: Gateway, event: str, body: object
) -> None:
    form = urlencode({"payload": json.dumps(body)}).encode()
    answer = await send(told, form, event, **{"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 422
    assert "set the webhook's content type to application/json" in answer.json()["detail"]
    assert (await told.ask("GET", "/v1/alerts?state=quarantined")).json() == []
    stranger = await send(told, form, event, **{"X-Hub-Signature-256": signed(form, "another secret")})
    assert stranger.status_code == 401


async def test_a_deployment_that_has_succeeded_is_a_release_event_however_often_it_is_delivered(told: Gateway) -> None:
    first, again = [await send(told, status()) for _ in range(2)]
    assert (first.status_code, first.json()["state"], again.json()["state"]) == (202, "recorded", "repeated")
    (kept,) = await known(told)
    assert (kept["release"], kept["deployer"], kept["url"]) == ("c0ffee", "ada", "https://ci/7")
    assert kept["reference"] == "Acme/Payments/7"


@pytest.mark.parametrize(
    ("event", "body", "reason"),
    [
        ("deployment_status", status("in_progress"), '"in_progress"'),
        ("deployment_status", status("failure"), '"failure"'),
        ("deployment", status(), 'a "deployment" tells of no release'),
        ("push", {}, 'a "push" tells of no release'),
    ],
)
async def test_what_tells_of_no_release_is_answered_with_the_reason(
    told: Gateway, event: str, body: object, reason: str
) -> None:
    answer = await send(told, body, event)
    assert (answer.status_code, answer.json()["state"]) == (202, "ignored")
    assert reason in answer.json()["reason"]
    assert await known(told) == await known(told, "state=unrouted") == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (status() | {"repository": {"full_name": "acme/other"}}, 'the repository "acme/other"'),
        (status(environment="staging"), '"staging" stands for no region of payments'),
    ],
)
async def test_what_has_no_place_is_accepted_once_and_shown_with_the_reason(
    told: Gateway, body: object, reason: str
) -> None:
    answers = [await send(told, body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert reason in answers[0].json()["reason"]
    (shown,) = await known(told, "state=unrouted")
    assert reason in shown["unrouted"]


async def test_what_cannot_be_read_goes_into_quarantine(told: Gateway) -> None:
    for body in (b"[]", json.dumps(status() | {"deployment": {"id": 1}}).encode()):
        answer = await send(told, body)
        assert (answer.status_code, answer.json()["state"]) == (202, "quarantined")
    kept = (await told.ask("GET", "/v1/alerts?state=quarantined")).json()
    assert [one["headers"]["x-github-delivery"] for one in kept] == ["d-1", "d-1"]


def catalog(**service: Any) -> Catalog:
    document = CATALOG.catalog.model_dump()
    document["services"]["payments"]["github"] = {"repository": "acme/payments", **service}
    document["regions"]["us"]["environments"] = ("production-eu", "america")
    return Catalog.model_validate(document)


def places(body: dict[str, Any], where: Catalog) -> list[tuple[str | None, str | None, str]]:
    events = github.read("deployment_status", json.dumps(body).encode(), where, NOW)
    assert not isinstance(events, github.Ignored)
    return [(event.service, event.region, event.release) for event in events]


@pytest.mark.parametrize(
    ("environment", "regions"),
    [("production-eu", ["eu", "us"]), ("america", ["us"]), ("us", ["us"]), ("eu", ["eu"])],
)
def test_an_environment_stands_for_every_region_that_names_it_and_for_its_namesake(
    environment: str, regions: list[str]
) -> None:
    found = places(status(environment=environment), catalog())
    assert found == [("payments", region, "c0ffee") for region in regions]


def test_the_release_is_the_commit_or_the_tag_as_the_catalog_says() -> None:
    assert places(status(environment="us"), catalog(release="ref")) == [("payments", "us", "v7")]
    assert places(status(ref="feature/x"), catalog(release="ref")) == [(None, None, "feature/x")]


@real
def test_githubs_own_messages_are_read() -> None:
    document = CATALOG.catalog.model_dump()
    document["services"]["payments"]["github"] = {"repository": "codertocat/hello-world"}
    document["regions"]["eu"]["environments"] = ("production",)
    where = Catalog.model_validate(document)
    message = (SHARED / "github" / "deployment_status__payload.json").read_bytes()
    events = github.read("deployment_status", message, where, NOW)
    assert not isinstance(events, github.Ignored)
    (event,) = events
    assert (event.service, event.region, event.deployer) == ("payments", "eu", "Codertocat")
    assert (event.release, event.url) == ("f95f852bd8fca8fcc58a9a2d6c842781e32a215e", None)
    assert event.at.isoformat() == "2019-05-15T15:20:55+00:00"
    intention = (SHARED / "github" / "deployment__payload.json").read_bytes()
    assert isinstance(github.read("deployment", intention, where, NOW), github.Ignored)


@real
async def test_githubs_own_ping_is_answered(told: Gateway) -> None:
    body = (SHARED / "github" / "ping__payload.json").read_bytes()
    assert (await send(told, body, "ping")).status_code == 200


@real
def test_the_signature_is_githubs() -> None:
    vector = json.loads((SHARED / "signature_vectors" / "github.json").read_text())
    settings = Settings(github_secrets=(SecretStr(vector["secret"]),))
    body, signature = vector["body"].encode(), vector["X-Hub-Signature-256"]
    authenticate_github(body, signature, settings)
    for wrong in (body + b" ", b""):
        with pytest.raises(Unauthenticated):
            authenticate_github(wrong, signature, settings)
