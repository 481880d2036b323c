"""The page of the HTTP interfaces lists every route of the three applications, and who is let in where."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from models.settings import Settings
from tests.docs.pages import first_code, table_rows
from tests.gateway.running_gateway import (
    ALERTS,
    CATALOG,
    DEPLOYMENTS,
    GUARDS,
    METRICS,
    PEOPLE,
    REPORTS,
    a_gateway,
    settings_for,
)
from workers.gateway.application import application as gateway_application
from workers.local.agent.discovery import Discovery
from workers.local.agent.fleet import Fleet
from workers.local.agent.rows import open_rows
from workers.local.agent.server import Agent
from workers.local.agent.server import application as agent_application
from workers.local.ports import free_ports
from workers.mesh.admin import application as mesh_application
from workers.mesh.leases import Leases
from workers.mesh.plane import ControlPlane

PAGE = "docs/reference/http.md"
SECTIONS = ("Gateway", "Mesh control plane", "Platform agent")
METHODS = {"GET", "POST", "PUT", "DELETE"}

TOKENS = {
    "source": ALERTS,
    "deployments": DEPLOYMENTS,
    "guards": GUARDS,
    "reports": REPORTS,
    "metrics": METRICS,
    "gateway": PEOPLE,
    "protect": "protect-secret-31c0",
    "operate": "operate-secret-9e2b",
}

ADMITS = {
    "none": {None, *TOKENS},
    "source": {"source"},
    "deployments": {"deployments"},
    "guards": {"guards"},
    "reports or gateway": {"reports", "gateway"},
    "metrics or gateway": {"metrics", "gateway"},
    "gateway": {"gateway"},
    "signature": set(),
    "protect": {"protect", "operate"},
    "operate": {"operate"},
}
"""By the word in the table: whose requests are let in. None: requests without a token."""

SETTINGS = Settings(protect_token=SecretStr(TOKENS["protect"]), operate_token=SecretStr(TOKENS["operate"]))


def documented(section: str) -> dict[tuple[str, str], str]:
    """The token of each route."""
    rows = [row for row in table_rows(PAGE, section) if row[0] in METHODS]
    return {(method, first_code(path)): token for method, path, token, _ in rows}


@asynccontextmanager
async def applications(folder: Path) -> AsyncGenerator[dict[str, FastAPI]]:
    """The three applications over real parts, by the section that describes each."""
    plane = ControlPlane(CATALOG.catalog, "eu", folder)
    ledger, rows = open_rows(folder)
    discovery = Discovery(1)
    fleet = Fleet(ledger, rows, discovery, host="127.0.0.1", logs=folder, grace=0)

    async def nobody_knows(service: str) -> None:
        return None

    async with a_gateway(settings_for(folder, free_ports(1)[0])) as gateway:
        yield {
            "Gateway": gateway_application(gateway.parts),
            "Mesh control plane": mesh_application(plane, Leases(plane, nobody_knows), SETTINGS),
            "Platform agent": agent_application(Agent(ledger, rows, fleet, discovery, lambda: None), SETTINGS),
        }
    fleet.close()
    ledger.close()
    plane.close()


async def test_every_route_has_a_row_and_no_row_is_of_another(tmp_path: Path) -> None:
    async with applications(tmp_path) as apps:
        for section, app in apps.items():
            served = {(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods}
            assert served == set(documented(section)), section


@pytest.mark.parametrize("section", SECTIONS)
async def test_a_route_lets_in_whom_the_page_says_and_nobody_else(section: str, tmp_path: Path) -> None:
    async with applications(tmp_path) as apps:
        transport = httpx.ASGITransport(apps[section])
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            routes = documented(section).items()
            for ((method, path), token), offered in itertools.product(routes, (None, *TOKENS)):
                headers = {"authorization": f"Bearer {TOKENS[offered]}"} if offered else {}
                answer = await client.request(method, _filled(path), headers=headers)
                refused = answer.status_code in (401, 403)
                assert refused == (offered not in ADMITS[token]), f"{method} {path} with {offered}: {answer.text}"


def _filled(path: str) -> str:
    """The path with something in each of its places."""
    named = path.replace("{source}", "alertmanager").replace("{action}", "pause").replace("{region}", "eu")
    return re.sub(r"\{\w+\}", "payments", named)
