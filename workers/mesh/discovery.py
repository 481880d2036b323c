"""Where the replicas are: a long poll at every platform agent that the catalog names.

While an agent is away, what it said last stays. An agent takes the version that a poll comes back with as seen, and
ends drained replicas then; so the next poll waits until the proxies have confirmed the last one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Literal

import httpx
from pydantic import BaseModel, ValidationError

from activities.platform.driver import Workload
from models.catalog import Catalog
from workers.mesh.endpoint import Endpoint
from workers.mesh.plane import ControlPlane
from workers.observability.logs import logger

_WAIT = 10.0
_CONFIRM = 1.0
_AGAIN = 0.25
_NEWEST_WITHIN = 0.25
"""Seconds that protection waits to be told the deployment history."""

_log = logger("sternway.mesh.discovery")


class _Replica(BaseModel):
    id: str
    region: str
    service: str
    release: str
    address: str
    status: Literal["starting", "ready", "draining"]


class _View(BaseModel):
    version: int
    replicas: tuple[_Replica, ...]


def agents(catalog: Catalog) -> tuple[str, ...]:
    """The URLs of the platform agents of all regions: the replicas of the others are where requests fail over to."""
    drivers = (driver for region in catalog.regions.values() for driver in region.platform.values())
    return tuple(sorted({driver.url for driver in drivers if driver.kind == "local"}))


async def follow(plane: ControlPlane, agent: str, client: httpx.AsyncClient) -> None:
    """Keep *plane* informed of what *agent* runs, for ever."""
    after, away = 0, False
    while True:
        try:
            view = await _poll(client, agent, f"mesh-{plane.region}", after)
        except (httpx.HTTPError, ValidationError) as error:
            if not away:
                _log.warning("platform agent is away", agent=agent, error=str(error) or type(error).__name__)
            after, away = 0, True
            await asyncio.sleep(_AGAIN)
            continue
        if away:
            _log.info("platform agent is back", agent=agent)
        try:
            plane.discovered(agent, _endpoints(view))
        except sqlite3.OperationalError as error:
            _log.error("what the agent runs is served, but cannot be recorded", agent=agent, error=str(error))
        after, away = view.version, False
        await _confirmed(plane)


async def newest(plane: ControlPlane, client: httpx.AsyncClient, service: str) -> str | None:
    """The release of *service* that the platform deployed last; None where it does not say so in time."""
    driver = plane.catalog.driver("platform", plane.region, service)
    url = f"{driver.url}/v1/regions/{plane.region}/services/{service}"
    try:
        answer = (await client.get(url, timeout=_NEWEST_WITHIN)).raise_for_status()
        deployments = Workload.of_any_build(answer.content).deployments
    except (httpx.HTTPError, ValidationError):
        return None
    return deployments[0].release if deployments else None


async def _poll(client: httpx.AsyncClient, agent: str, watcher: str, after: int) -> _View:
    parameters: dict[str, str | float] = {"after": after, "wait": _WAIT, "watcher": watcher}
    answer = await client.get(f"{agent}/v1/replicas", params=parameters, timeout=_WAIT + 5)
    return _View.model_validate_json(answer.raise_for_status().content)


def _endpoints(view: _View) -> tuple[Endpoint, ...]:
    found = [
        Endpoint(**replica.model_dump(exclude={"status"}), status=replica.status)
        for replica in view.replicas
        if replica.status != "starting"
    ]
    return tuple(sorted(found, key=lambda endpoint: endpoint.id))


async def _confirmed(plane: ControlPlane) -> None:
    await asyncio.gather(*(plane.confirmed(service, _CONFIRM) for service in plane.services))
