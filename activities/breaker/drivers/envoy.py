"""The protector for the embedded default: leases at the region's control plane (``workers/mesh``) over HTTP."""

from __future__ import annotations

from urllib.parse import quote

import httpx

from activities.driver import Unavailable
from activities.mesh.drivers.envoy import PATIENCE, accepted
from models.lease import Lease, LeaseRequest


class EnvoyProtector:
    """Implements :class:`activities.breaker.driver.Protector`. *client* stays the caller's to close."""

    def __init__(self, client: httpx.AsyncClient, url: str, protect_token: str) -> None:
        self._client, self._url = client, url.rstrip("/")
        self._headers = {"authorization": f"Bearer {protect_token}"} if protect_token else {}

    async def take(self, request: LeaseRequest) -> Lease:
        return await self._ask("PUT", request.id, "", request.model_dump(mode="json"))

    async def renew(self, id: str, seconds: float) -> Lease:
        return await self._ask("POST", id, "/renew", {"seconds": seconds})

    async def release(self, id: str) -> Lease:
        return await self._ask("DELETE", id, "", None)

    async def _ask(self, method: str, id: str, action: str, body: object) -> Lease:
        url = f"{self._url}/v1/leases/{quote(id, safe='')}{action}"
        try:
            answer = await self._client.request(method, url, json=body, headers=self._headers, timeout=PATIENCE)
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(f"the mesh control plane at {self._url} does not answer: {reason}") from error
        return Lease.model_validate_json(accepted(answer, "mesh control plane"))
