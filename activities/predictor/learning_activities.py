"""The activities of learning: looking at the current version, learning a challenger, and deciding between them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from temporalio import activity

from activities.analytics.store import Store, prediction_models
from activities.predictor import contract
from models.prediction import Model

Command = Callable[[str], Awaitable[str]]
"""``sternway predict NAME --json`` in a process of its own; what it prints."""


class LearningActivities:
    """Learning takes a processor for minutes, and memory: it is done by a process that is gone afterwards."""

    def __init__(self, store: Store, command: Command) -> None:
        self._store = store
        self._command = command

    @activity.defn(name=contract.EXAMINE.name)
    async def examine(self, request: contract.LearningRequest) -> contract.Examined:
        return contract.Examined.model_validate_json(await self._command("examine"))

    @activity.defn(name=contract.LEARN.name)
    async def learn(self, request: contract.LearningRequest) -> contract.Learned:
        return contract.Learned.model_validate_json(await self._command("train"))

    @activity.defn(name=contract.PROMOTE.name)
    async def promote(self, request: contract.VersionRequest) -> Model:
        return await asyncio.to_thread(
            prediction_models.promote, self._store, request.version, request.because, datetime.now(UTC)
        )

    @activity.defn(name=contract.REFUSE.name)
    async def refuse(self, request: contract.VersionRequest) -> Model:
        return await asyncio.to_thread(
            prediction_models.refuse, self._store, request.version, request.because, datetime.now(UTC)
        )
