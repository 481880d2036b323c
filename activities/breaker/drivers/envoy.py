"""Protection by the embedded mesh: leases at the region's control plane, with a token that can do no more than that."""

from __future__ import annotations

from urllib.parse import quote

from activities.control_plane import ControlPlane
from models.lease import Lease, LeaseRequest

SECONDS = 6.0
"""That one call may take; the control plane waits 5 s for its proxies. The first action's own time-out is shorter."""


class EnvoyProtector:
    """An implementation of :class:`activities.breaker.driver.Protector` over the control plane's admin interface."""

    def __init__(self, url: str, token: str, seconds: float = SECONDS) -> None:
        """*token*: the protect token."""
        self._plane = ControlPlane("the mesh control plane", url, token, seconds)

    async def close(self) -> None:
        await self._plane.close()

    async def take(self, request: LeaseRequest) -> Lease:
        return await self._plane.call("PUT", _lease(request.id), Lease, request.model_dump(mode="json"))

    async def renew(self, id: str, seconds: float) -> Lease:
        return await self._plane.call("POST", f"{_lease(id)}/renew", Lease, {"seconds": seconds})

    async def release(self, id: str) -> Lease:
        return await self._plane.call("DELETE", _lease(id), Lease)


def _lease(id: str) -> str:
    return f"/v1/leases/{quote(id, safe='')}"
