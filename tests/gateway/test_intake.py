"""What the gateway accepts, and what it says of what it does not."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from models.alert import AlertState
from tests.gateway.running_gateway import ALERTS, PEOPLE, Gateway, alert, message
from tests.waiting import until

URL = "/v1/alerts/alertmanager"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Bearer wrong",
        "Bearer",
        f"Bearer {PEOPLE}",
        f"Digest {ALERTS}",
        "Basic " + base64.b64encode(b"sternway:wrong").decode(),
        "Basic " + base64.b64encode(ALERTS.encode()).decode(),
        "Basic not base64",
        "Bearer \u00e9".encode().decode("latin-1"),
    ],
)
async def test_wrong_credentials_are_refused_and_nothing_is_stored(alone: Gateway, authorization: str | None) -> None:
    headers = [(b"Authorization", authorization.encode("latin-1"))] if authorization else []
    answer = await alone.http.post(URL, json=message(alert()), headers=headers)
    assert answer.status_code == 401
    assert (await alone.ask("GET", "/v1/alerts?state=pending")).json() == []


@pytest.mark.parametrize(
    "authorization",
    [f"Bearer {ALERTS}", f"bearer {ALERTS}", "Basic " + base64.b64encode(f"anyone:{ALERTS}".encode()).decode()],
)
async def test_bearer_and_basic_credentials_are_accepted(alone: Gateway, authorization: str) -> None:
    answer = await alone.http.post(URL, json=message(alert()), headers={"Authorization": authorization})
    assert answer.status_code == 202
    assert answer.json() == {"delivery": 1, "alerts": 1, "duplicate": False, "unrouted": 0}


async def test_an_unknown_source_is_not_found_whatever_the_token(alone: Gateway) -> None:
    answer = await alone.http.post("/v1/alerts/zabbix", json={}, headers={"Authorization": f"Bearer {ALERTS}"})
    assert answer.status_code == 404
    assert "alertmanager" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path", ["/v1/alerts?state=pending", "/v1/incidents", "/v1/incidents/x", "/metrics"], ids=lambda path: path
)
async def test_reading_needs_the_gateways_token_and_no_senders(alone: Gateway, path: str) -> None:
    for headers in ({}, {"Authorization": f"Bearer {ALERTS}"}):
        assert (await alone.http.get(path, headers=headers)).status_code == 401


async def test_health_needs_no_token(alone: Gateway) -> None:
    assert (await alone.http.get("/healthz")).status_code == 200
    ready = await alone.http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"store": "there", "temporal": "away"})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not an Alertmanager message"),
        (b"{}", "alerts: Field required"),
        (b'{"alerts": []}', "carries no alert"),
        (json.dumps(message({"status": "firing"})).encode(), "alerts[0] is not an alert: labels: Field required"),
        (json.dumps(message(alert(), alert(status="odd"))).encode(), "alerts[1] is not an alert: status"),
        (json.dumps(message({**alert(), "startsAt": "2026-11-23T14:50:00"})).encode(), "zone"),
    ],
)
async def test_what_cannot_be_read_is_accepted_and_quarantined(alone: Gateway, body: bytes, reason: str) -> None:
    answer = await alone.http.post(URL, content=body, headers={"Authorization": f"Bearer {ALERTS}"})
    assert answer.status_code == 202
    assert reason in answer.json()["quarantined"]
    (kept,) = (await alone.ask("GET", "/v1/alerts?state=quarantined")).json()
    assert reason in kept["quarantine_reason"]
    metrics = (await alone.ask("GET", "/metrics")).text
    assert "sternway_gateway_quarantined_deliveries 1.0" in metrics


async def test_a_gzip_body_is_unfolded(alone: Gateway) -> None:
    body = gzip.compress(json.dumps(message(alert(), alert("f2"))).encode())
    headers = {"Authorization": f"Bearer {ALERTS}", "Content-Encoding": "gzip"}
    answer = await alone.http.post(URL, content=body, headers=headers)
    assert answer.json()["alerts"] == 2


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (b"not gzip", "gzip", "not gzip"),
        (gzip.compress(b"{}" * 999, mtime=0)[:-9], "gzip", "too early"),
        (b"{}", "br", "send gzip or none"),
    ],
)
async def test_a_body_that_is_not_as_announced_is_quarantined(
    alone: Gateway, body: bytes, encoding: str, reason: str
) -> None:
    headers = {"Authorization": f"Bearer {ALERTS}", "Content-Encoding": encoding}
    answer = await alone.http.post(URL, content=body, headers=headers)
    assert answer.status_code == 202
    assert reason in answer.json()["quarantined"]


async def test_more_than_16_megabytes_are_refused_also_after_unfolding(alone: Gateway) -> None:
    headers = {"Authorization": f"Bearer {ALERTS}"}
    large = b" " * (16 * 1024 * 1024 + 1)

    async def in_chunks():
        for start in range(0, len(large), 1 << 20):
            yield large[start : start + (1 << 20)]

    assert (await alone.http.post(URL, content=large, headers=headers)).status_code == 413
    assert (await alone.http.post(URL, content=in_chunks(), headers=headers)).status_code == 413
    bomb = await alone.http.post(URL, content=gzip.compress(large), headers={**headers, "Content-Encoding": "gzip"})
    assert bomb.status_code == 413


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"service": "paymens"}, 'no service "paymens"; did you mean "payments"?'),
        ({"service": ""}, "nothing names the service"),
        ({"region": ""}, '"payments" lives in eu, us'),
        ({"region": "mars"}, 'does not live in "mars"'),
    ],
)
async def test_an_alert_without_a_place_is_kept_as_unrouted(
    alone: Gateway, labels: dict[str, str], reason: str
) -> None:
    answer = await alone.post(message(alert(**labels)))
    assert (answer.status_code, answer.json()["unrouted"]) == (202, 1)
    unrouted = await until(lambda: _unrouted(alone), 5, "the alert is shown as unrouted")
    assert unrouted[0]["state"] == AlertState.UNROUTED
    assert reason in unrouted[0]["reason"]
    assert "label service or service_name or app, its label region or cluster_region" in unrouted[0]["reason"]
    metrics = (await alone.ask("GET", "/metrics")).text
    assert 'sternway_gateway_alerts{severity="critical",state="unrouted"} 1.0' in metrics
    assert 'sternway_gateway_alerts{severity="critical",state="pending"} 0.0' in metrics


async def _unrouted(gateway: Gateway) -> list[dict[str, str]]:
    return (await gateway.ask("GET", "/v1/alerts?state=unrouted")).json()


async def test_a_region_is_filled_in_where_there_is_only_one(alone: Gateway) -> None:
    await alone.post(message(alert(service="ledger", region="")))
    (pending,) = (await alone.ask("GET", "/v1/alerts?state=pending")).json()
    assert pending["alert"]["region"] == "us"


async def test_a_repeat_is_a_duplicate_while_the_first_waits(alone: Gateway) -> None:
    body = message(alert(), alert("f2"))
    first = (await alone.post(body)).json()
    again = (await alone.post({**body, "alerts": body["alerts"][::-1], "newField": 1})).json()
    assert again == {**first, "duplicate": True}
    other = (await alone.post({**body, "alerts": [alert(status="resolved")]})).json()
    assert other["duplicate"] is False


async def test_ten_thousand_alerts_leave_room_for_others(alone: Gateway) -> None:
    """The event loop answers while a large message is being read: nobody waits for as much as half of that."""
    import asyncio
    import time

    large = message(*(alert(f"f{number}") for number in range(10_000)))
    began = time.perf_counter()
    posting = asyncio.create_task(alone.post(large))
    waited: list[float] = []
    while not posting.done():
        asked = time.perf_counter()
        assert (await alone.http.get("/healthz")).status_code == 200
        waited.append(time.perf_counter() - asked)
    assert posting.result().json()["alerts"] == 10_000
    assert max(waited) < (time.perf_counter() - began) / 2
