"""The local platform: replicas as processes, through the agent that keeps them."""

from __future__ import annotations

from urllib.parse import quote

from activities.control_plane import ControlPlane
from activities.platform.driver import Workload
from models.identity import Key
from models.receipt import Fence, Fields, Receipt, Receipts

SECONDS = 5.0
"""That one call may take; the agent answers once a change is durable."""


class LocalPlatform:
    """An implementation of :class:`activities.platform.driver.Platform` over the agent's HTTP interface."""

    def __init__(self, url: str, token: str, seconds: float = SECONDS) -> None:
        """*token*: the agent's operate token; reading needs none."""
        self._agent = ControlPlane("the platform agent", url, token, seconds)

    async def close(self) -> None:
        await self._agent.close()

    async def read(self, region: str, service: str) -> Workload:
        return await self._agent.call("GET", _resource(region, service), Workload)

    async def change(self, key: Key, region: str, service: str, fields: Fields, expected: int | None) -> Receipt:
        body = {"key": str(key), "fields": fields, "expected": expected}
        return await self._agent.call("POST", f"{_resource(region, service)}/changes", Receipt, body)

    async def undo(self, key: Key, region: str, service: str) -> Receipt:
        return await self._agent.call("POST", f"{_resource(region, service)}/undo", Receipt, {"key": str(key)})

    async def receipts(self, incident: str) -> tuple[Receipt, ...]:
        return (await self._agent.call("GET", f"{_incident(incident)}/receipts", Receipts)).receipts

    async def fence(self, incident: str) -> Fence:
        return await self._agent.call("POST", f"{_incident(incident)}/fence", Fence)


def _resource(region: str, service: str) -> str:
    return f"/v1/regions/{region}/services/{service}"


def _incident(incident: str) -> str:
    return f"/v1/incidents/{quote(incident, safe='')}"
