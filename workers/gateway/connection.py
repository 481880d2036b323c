"""The gateway's Temporal client and its embedded worker: there once Temporal is, and the gateway serves without them.

The worker lives in this process because an eager start hands the first workflow task to a worker of the same client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client

from models.queues import WORKFLOWS
from models.settings import Settings
from workers import memory, worker
from workers.deployment.joining import build_of, join, stay
from workers.observability.logs import logger
from workers.observability.tracing import Tracing
from workers.temporal import IMPATIENT, connect_when_there

POLLS = 2
"""One for the workflows that began here and one for others: in a storm those are the pools' before they are ours."""

PAUSE = 1.0
"""Seconds before a worker that ended on an error is built anew."""


@dataclass(frozen=True)
class Registered:
    """What the embedded worker runs: all workflows, and the activities that they call locally."""

    workflows: Sequence[type]
    local_activities: Sequence[Callable[..., Any]]


Register = Callable[[Client], Registered]
"""Names what the embedded worker runs; some activities need the client themselves."""


class Connection:
    """Whoever needs the client waits for it, or asks whether it is there."""

    def __init__(self, settings: Settings, register: Register, tracing: Tracing) -> None:
        self._settings = settings
        self._register = register
        self._tracing = tracing
        self.build = build_of(settings)
        self._client: Client | None = None
        self._there = asyncio.Event()

    @property
    def now(self) -> Client | None:
        """The client, if Temporal has answered once. It reconnects by itself."""
        return self._client

    async def client(self) -> Client:
        """The client, however long Temporal lets us wait for it."""
        await self._there.wait()
        assert self._client is not None, "it is set before the event"  # noqa: S101
        return self._client

    async def run(self) -> None:
        """Connect, then run the embedded worker until this is cancelled; what it has in hand is finished then."""
        client = await connect_when_there(self._settings, self._tracing, IMPATIENT)
        registered = self._register(client)
        await join(client, self.build)
        memory.settle()
        staying = asyncio.create_task(stay(client, self.build))
        try:
            await self._work(client, registered)
        finally:
            staying.cancel()

    async def _work(self, client: Client, registered: Registered) -> None:
        while True:
            embedded = worker.build(
                client,
                WORKFLOWS,
                self.build,
                workflows=registered.workflows,
                activities=registered.local_activities,
                remote_activities=False,
                workflow_polls=POLLS,
            )
            try:
                self._admit(client)
                await embedded.run()
            except Exception as error:  # noqa: BLE001 -- whatever ended it, alerts must go on being answered
                logger(__name__).error("embedded worker ended", reason=str(error), again_in=PAUSE)
            await asyncio.sleep(PAUSE)

    def _admit(self, client: Client) -> None:
        self._client = client
        self._there.set()
        logger(__name__).info("temporal is there", address=self._settings.temporal_address)
