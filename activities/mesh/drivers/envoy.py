"""The mesh driver for the embedded default: speaks to the region's control plane (``workers/mesh``) over HTTP."""

from __future__ import annotations

import httpx

from activities.driver import Moved, Refused, Unavailable
from activities.mesh.driver import Routing
from models.identity import Key
from models.receipt import Conflict, Fields, Receipt

PATIENCE = 10.0
"""Seconds; the control plane answers after 2 s for endpoints and 5 s for proxies at the latest."""


class EnvoyMesh:
    """Implements :class:`activities.mesh.driver.Mesh`. *client* stays the caller's to close."""

    def __init__(self, client: httpx.AsyncClient, url: str, operate_token: str) -> None:
        self._client, self._url = client, url.rstrip("/")
        self._headers = {"authorization": f"Bearer {operate_token}"} if operate_token else {}

    async def read(self, service: str) -> Routing:
        return Routing.model_validate_json(await self._ask("GET", f"/v1/services/{service}", None))

    async def change(self, key: Key, service: str, fields: Fields, expected: int | None) -> Receipt:
        body = {"key": str(key), "fields": fields, "expected": expected}
        return Receipt.model_validate_json(await self._ask("POST", f"/v1/services/{service}/changes", body))

    async def undo(self, key: Key, service: str) -> Receipt:
        return Receipt.model_validate_json(await self._ask("POST", f"/v1/services/{service}/undo", {"key": str(key)}))

    async def _ask(self, method: str, path: str, body: object) -> bytes:
        try:
            answer = await self._client.request(
                method, self._url + path, json=body, headers=self._headers, timeout=PATIENCE
            )
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(f"the mesh control plane at {self._url} does not answer: {reason}") from error
        if answer.status_code == 409:
            raise Moved(Conflict.model_validate_json(answer.content))
        return accepted(answer, "mesh control plane")


def accepted(answer: httpx.Response, who: str) -> bytes:
    """The body of a 200. Raises Refused for a 4xx, Unavailable for what may be over when it is asked again."""
    if answer.status_code == 200:
        return answer.content
    said = f"the {who} answered {answer.status_code} to {answer.request.method} {answer.request.url.path}"
    if 400 <= answer.status_code < 500 and answer.status_code not in (408, 429):
        raise Refused(f"{said}: {_detail(answer)}")
    raise Unavailable(f"{said}: {_detail(answer)}")


def _detail(answer: httpx.Response) -> str:
    try:
        body: object = answer.json()
    except ValueError:
        return answer.text[:200]
    if isinstance(body, dict) and "detail" in body:
        return str(body["detail"])  # pyright: ignore[reportUnknownArgumentType] -- any JSON has a text
    return answer.text[:200]
