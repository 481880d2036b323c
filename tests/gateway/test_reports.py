"""Applications report trouble themselves, and people steer the incident that has it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from temporalio.client import Client

from models.catalog import Level
from models.incident import Coordination
from tests.gateway.running_gateway import Gateway
from tests.gateway.test_dispatch import end
from tests.waiting import until

REPORT = {"service": "ledger", "reason": "writes fail"}


async def report(gateway: Gateway, key: str | None = None, **more: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await gateway.ask("POST", "/v1/incidents", json={**REPORT, **more}, headers=headers)


async def test_a_report_begins_an_incident_and_the_answer_says_which(gateway: Gateway) -> None:
    answer = await report(
        gateway,
        severity="warning",
        level="advise",
        coordination="sequential",
        impact={"revenue_per_minute": 120, "customers": 7},
        modules={"predictor": False},
    )
    assert answer.status_code == 202
    said = answer.json()
    await until(lambda: gateway.protected.starts, 5, "the first action")
    (start,) = gateway.protected.starts
    assert (said["state"], said["incident"], said["level"]) == ("opened", start.incident, "advise")
    assert said["links"]["gateway"].endswith(f"/v1/incidents/{start.incident}")
    assert "/namespaces/default/workflows/incident%3Aus%3Aledger%3A" in said["links"]["temporal"]
    assert said["links"]["temporal"].endswith("/timeline")
    assert (start.level, start.coordination, start.region) == (Level.ADVISE, Coordination.SEQUENTIAL, "us")
    assert start.impact and (start.impact.revenue_per_minute, start.impact.source) == (120, "stated")
    assert (start.modules.predictor, start.modules.mesh) == (False, True)
    assert start.reason == "writes fail"


async def test_more_than_the_policy_allows_is_reduced_and_said(gateway: Gateway) -> None:
    said = (await report(gateway, level="full")).json()
    assert said["level"] == "protect"
    assert 'the policy of "ledger" allows protect at most' in said["note"]
    await until(lambda: gateway.protected.starts, 5, "the first action")
    assert gateway.protected.starts[0].level is Level.PROTECT


async def test_the_same_key_gets_the_same_incident_also_after_its_end(gateway: Gateway, temporal: Client) -> None:
    first = (await report(gateway, "key-1")).json()
    assert (await report(gateway, "key-1")).json()["incident"] == first["incident"]
    await end(temporal, first["workflow"])
    assert (await report(gateway, "key-1")).json()["incident"] == first["incident"]
    assert (await report(gateway, "key-2")).json()["incident"] != first["incident"]
    await until(lambda: len(gateway.protected.starts) == 2, 5, "two incidents")


async def test_a_second_report_joins_the_incident_that_is_open(gateway: Gateway) -> None:
    first = (await report(gateway)).json()
    second = (await report(gateway, reason="still")).json()
    assert (second["state"], second["incident"]) == ("joined", first["incident"])
    assert len(gateway.protected.starts) == 1


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"reason": "x"}, "service"),
        ({"service": "ledgr", "reason": "x"}, 'did you mean "ledger"?'),
        (
            {"service": "payments", "reason": "x"},
            'in which of them this is (correct "service" and "region" in the body',
        ),
        ({**REPORT, "level": "everything"}, "level"),
        ({**REPORT, "modules": {"magic": True}}, "modules"),
        ({**REPORT, "impact": {"revenue_per_minute": -1, "customers": 1}}, "revenue_per_minute"),
    ],
)
async def test_a_report_that_cannot_be_meant_is_refused(gateway: Gateway, body: dict[str, Any], complaint: str) -> None:
    answer = await gateway.ask("POST", "/v1/incidents", json=body)
    assert answer.status_code == 422
    assert complaint in str(answer.json()["detail"])
    assert (await gateway.ask("GET", "/v1/alerts?state=pending")).json() == []


async def test_a_person_steers_the_incident(gateway: Gateway) -> None:
    incident = (await report(gateway)).json()["incident"]
    url = f"/v1/incidents/{incident}"
    refused = await gateway.ask("POST", f"{url}/approve", json={"by": "ada"})
    assert (refused.status_code, refused.json()["detail"]) == (409, "nothing waits for ada")
    done = await gateway.ask("POST", f"{url}/abort", json={"by": "ada", "reason": "false alarm"})
    assert (done.status_code, done.json()["answer"]) == (200, "aborted by ada")

    async def ended() -> bool:
        again = await gateway.ask("POST", f"{url}/abort", json={"by": "ada"})
        return again.status_code == 409 and "does not run any more" in again.json()["detail"]

    await until(ended, 10, "the incident has ended")
    await report(gateway)
    late = await gateway.ask("POST", f"{url}/abort", json={"by": "ada"})
    assert (late.status_code, "another one" in late.json()["detail"]) == (409, True)


async def test_a_persons_word_is_read_without_a_content_type_as_every_body(gateway: Gateway) -> None:
    url = f"/v1/incidents/{(await report(gateway)).json()['incident']}"
    said = await gateway.ask("POST", f"{url}/approve/ledger/retire", content=b'{"by": "ada"}')
    assert (said.status_code, said.json()["answer"]) == (200, "ada approved retire of ledger, plan None")
    for body in (b"", b"[]", b'{"by": 5}', b'{"reason": "nobody"}'):
        refused = await gateway.ask("POST", f"{url}/abort", content=body)
        assert (refused.status_code, isinstance(refused.json()["detail"], list)) == (422, True), body


@pytest.mark.parametrize("path", ["abort", "emergency", "approve/payments/retire"])
async def test_nobody_decides_without_a_name(gateway: Gateway, path: str) -> None:
    url = f"/v1/incidents/{(await report(gateway)).json()['incident']}"
    said = await gateway.ask("POST", f"{url}/{path}", json={"by": " ", "reason": "false alarm"})
    assert (said.status_code, "say who it is" in str(said.json()["detail"])) == (422, True)


async def test_what_is_known_of_an_incident_is_shown(gateway: Gateway) -> None:
    said = (await report(gateway)).json()

    async def assigned() -> bool:
        return (await gateway.ask("GET", f"/v1/incidents/{said['incident']}")).status_code == 200

    await until(assigned, 5, "the incident is known")
    shown = (await gateway.ask("GET", f"/v1/incidents/{said['incident']}")).json()
    assert shown["workflow"] == said["workflow"]
    missing = await gateway.ask("GET", "/v1/incidents/01UNKNOWN")
    assert (missing.status_code, "sternway incidents list" in missing.json()["detail"]) == (404, True)
    nonsense = await gateway.ask("POST", f"/v1/incidents/{said['incident']}/explode", json={"by": "ada"})
    assert nonsense.status_code == 422
