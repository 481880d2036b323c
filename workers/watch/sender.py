"""Delivery of webhooks: in order for each group, the same body again until somebody has it.

As Alertmanager does it: an answer of 5xx or 429, or none, is retried with a growing pause; any other refusal is not,
because the same body would be refused again. The group is sent anew at its next repeat.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator

import httpx

from workers.observability.logs import logger

MOST_WAITING = 100
"""Messages that wait in one group while the receiver is away; beyond that the oldest is given up."""

_log = logger(__name__)


class Sender:
    """Posts to one URL with a Bearer token. *longest_pause*: seconds between two tries, at most."""

    def __init__(self, url: str, token: str, longest_pause: float = 10.0) -> None:
        self._url = url
        self._longest_pause = longest_pause
        self._client = httpx.AsyncClient(
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
                "User-Agent": "sternway-watch",
            },
            timeout=10,
            trust_env=False,
        )
        self._waiting: dict[str, deque[bytes]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def busy(self, group: str) -> bool:
        """Whether something of this group is still on its way."""
        return group in self._tasks

    def submit(self, group: str, body: bytes) -> None:
        """Send *body* after everything of its group that waits."""
        self._waiting.setdefault(group, deque(maxlen=MOST_WAITING)).append(body)
        if group not in self._tasks:
            self._tasks[group] = asyncio.create_task(self._drain(group))

    async def close(self) -> None:
        """Stop at once; what was not delivered is lost with this process."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def _drain(self, group: str) -> None:
        try:
            waiting = self._waiting[group]
            while waiting:
                await self._deliver(group, waiting.popleft())
        finally:
            del self._tasks[group]

    async def _deliver(self, group: str, body: bytes) -> None:
        for pause in _pauses(self._longest_pause):
            reason = await self._post(group, body)
            if reason is None:
                return
            _log.warning("the gateway has not taken an alert, trying again", group=group, reason=reason, pause=pause)
            await asyncio.sleep(pause)

    async def _post(self, group: str, body: bytes) -> str | None:
        """Why it should be tried again; none when it was taken, or refused for good."""
        try:
            response = await self._client.post(self._url, content=body)
        except httpx.HTTPError as error:
            return f"{self._url} is away: {error or type(error).__name__}"
        if response.is_success:
            return None
        if response.status_code >= 500 or response.status_code == 429:
            return f"{self._url} answered {response.status_code}"
        _log.error(
            "the gateway refuses alerts; compare the token, and the URL, with its settings",
            group=group,
            status=response.status_code,
            url=self._url,
        )
        return None


def _pauses(longest: float) -> Iterator[float]:
    pause = 0.5
    while True:
        yield min(pause, longest)
        pause *= 2
