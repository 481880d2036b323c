"""The embedded mesh: routing through the region's control plane, which answers once its Envoys have acknowledged."""

from __future__ import annotations

from urllib.parse import quote

from activities.control_plane import ControlPlane
from activities.mesh.driver import Routing
from models.identity import Key
from models.receipt import Fence, Fields, Receipt, Receipts

SECONDS = 8.0
"""That one call may take; the control plane waits 2 s for endpoints and 5 s for its proxies at the most."""


class EnvoyMesh:
    """An implementation of :class:`activities.mesh.driver.Mesh` over the control plane's admin interface."""

    def __init__(self, url: str, token: str, seconds: float = SECONDS) -> None:
        """*token*: the operate token; reading needs none."""
        self._plane = ControlPlane("the mesh control plane", url, token, seconds)

    async def close(self) -> None:
        await self._plane.close()

    async def read(self, service: str) -> Routing:
        return await self._plane.call("GET", f"/v1/services/{service}", Routing)

    async def change(self, key: Key, service: str, fields: Fields, expected: int | None) -> Receipt:
        body = {"key": str(key), "fields": fields, "expected": expected}
        return await self._plane.call("POST", f"/v1/services/{service}/changes", Receipt, body)

    async def undo(self, key: Key, service: str) -> Receipt:
        return await self._plane.call("POST", f"/v1/services/{service}/undo", Receipt, {"key": str(key)})

    async def receipts(self, incident: str) -> tuple[Receipt, ...]:
        return (await self._plane.call("GET", f"{_incident(incident)}/receipts", Receipts)).receipts

    async def fence(self, incident: str) -> Fence:
        return await self._plane.call("POST", f"{_incident(incident)}/fence", Fence)


def _incident(incident: str) -> str:
    return f"/v1/incidents/{quote(incident, safe='')}"
