"""Each token lets in for what it is there for, and for nothing else: a stolen one is worth no more than that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway.running_gateway import (
    DEPLOYMENTS,
    GUARDS,
    METRICS,
    PEOPLE,
    REPORTS,
    Gateway,
    a_gateway,
    settings_for,
)
from workers.local.ports import free_ports

REPORTING = {("POST", "/v1/incidents"), ("GET", "/v1/incidents/01J")}
SCRAPING = {("GET", "/metrics")}
TELLING = {("POST", "/v1/deployments")}
GUARDING = {("GET", "/v1/guards"), ("POST", "/v1/guards/transitions")}
PEOPLES = {
    ("GET", "/v1/incidents"),
    ("POST", "/v1/incidents/01J/approve"),
    ("POST", "/v1/incidents/01J/approve/payments/retire"),
    ("POST", "/v1/incidents/01J/emergency"),
    ("POST", "/v1/incidents/01J/abort"),
    ("GET", "/v1/deployments?service=payments&region=eu"),
    ("GET", "/v1/alerts?state=pending"),
}
ALL = REPORTING | SCRAPING | TELLING | GUARDING | PEOPLES | {("POST", "/v1/alerts/alertmanager")}


@pytest.mark.parametrize(
    ("token", "may"),
    [
        (REPORTS, REPORTING),
        (METRICS, SCRAPING),
        (DEPLOYMENTS, TELLING),
        (GUARDS, GUARDING),
        (PEOPLE, PEOPLES | REPORTING | SCRAPING),
        ("", set()),
    ],
    ids=["reports", "metrics", "deployments", "guards", "gateway", "empty"],
)
async def test_a_token_opens_its_own_routes_and_no_other(alone: Gateway, token: str, may: set[tuple[str, str]]) -> None:
    headers = {"Authorization": f"Bearer {token}".strip()}
    opened = {
        (method, path)
        for method, path in ALL
        if (await alone.http.request(method, path, json={}, headers=headers)).status_code != 401
    }
    assert opened == may


@pytest.mark.parametrize(
    ("method", "path", "source"), [("GET", "/metrics", "metrics"), ("POST", "/v1/incidents", "reports")]
)
async def test_what_has_no_token_is_closed_and_says_which_it_would_take(
    tmp_path: Path, method: str, path: str, source: str
) -> None:
    settings = settings_for(tmp_path, free_ports(1)[0]).model_copy(update={"alert_tokens": {}, "gateway_token": None})
    async with a_gateway(settings) as closed:
        answer = await closed.http.request(method, path, json={}, headers={"Authorization": "Bearer"})
    assert answer.status_code == 401
    assert f'"{source}" in STERNWAY_ALERT_TOKENS, or STERNWAY_GATEWAY_TOKEN' in answer.json()["detail"]
