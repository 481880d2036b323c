"""Speaking to a control plane of ours over its admin interface, which the mesh's and the platform's have in common.

Answers become the three ways in which a driver says no: 409 is Moved, any other 4xx is Refused, and everything that
leaves open what became of the call (time-outs, broken connections, 408, 429, 5xx, answers that are not the contract's)
is Unavailable.
"""

from __future__ import annotations

from typing import Any, TypeVar

import httpx
from pydantic import ValidationError

from activities.driver import Moved, Refused, Unavailable
from models.base import Frozen
from models.receipt import Conflict

Model = TypeVar("Model", bound=Frozen)

LONGEST_EXCERPT = 300

ASK_AGAIN = (408, 429)
"""Request timeout and too many requests: 4xx, but over when it is asked again."""


class ControlPlane:
    """One control plane's admin interface. *what* names it in errors: "the platform agent"."""

    def __init__(self, what: str, url: str, token: str, seconds: float) -> None:
        """*token*: what writing needs. *seconds*: how long one call may take; then it is Unavailable."""
        self._what, self._url = what, url.rstrip("/")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.AsyncClient(
            base_url=self._url,
            headers=headers,
            timeout=seconds,
            trust_env=False,
            # Reading the certificates takes a third of a second, and the first incident would wait for it.
            verify=self._url.startswith("https:"),
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def call(self, method: str, path: str, answer: type[Model], body: dict[str, Any] | None = None) -> Model:
        """Raises ``Moved``, ``Refused``, ``Unavailable``."""
        try:
            response = await self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise Unavailable(f"{self._what} at {self._url} did not answer: {error or type(error).__name__}") from error
        if response.status_code == 409:
            raise Moved(self._read(Conflict, response))
        if 400 <= response.status_code < 500 and response.status_code not in ASK_AGAIN:
            raise Refused(f"{self._what} refused {method} {path}: {self._reason(response)}")
        if response.status_code != 200:
            raise Unavailable(f"{self._what} could not do {method} {path}: {self._reason(response)}")
        return self._read(answer, response)

    def _read(self, model: type[Model], response: httpx.Response) -> Model:
        try:
            return model.of_any_build(response.content)
        except ValidationError as error:
            raise Unavailable(
                f"{self._what} at {self._url} answered something else than a {model.__name__}; is that its address?"
            ) from error

    def _reason(self, response: httpx.Response) -> str:
        return f"{response.status_code} {response.text[:LONGEST_EXCERPT].strip()}"
