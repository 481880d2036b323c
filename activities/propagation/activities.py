"""The propagation module's activities."""

from __future__ import annotations

import asyncio

from temporalio import activity

from activities.analytics.contract import OBSERVE_SECONDS
from activities.analytics.sampling import observe_window
from activities.directory import Directory
from activities.propagation import contract, engine
from models.assessment import Spread
from models.catalog import Catalog
from models.scope import Scope
from models.telemetry import WindowReading


class PropagationActivities:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    @activity.defn(name=contract.SPREAD.name)
    async def spread(self, scope: Scope) -> Spread:
        catalog = await self._directory.catalog(scope)
        names = engine.dependants(catalog, scope.region, scope.service)
        windows = await asyncio.gather(*(self._window(scope, catalog, name) for name in names))
        return engine.spread(catalog, scope.region, scope.service, dict(zip(names, windows, strict=True)))

    async def _window(self, scope: Scope, catalog: Catalog, service: str) -> WindowReading:
        telemetry = await self._directory.telemetry(scope.model_copy(update={"service": service}))
        return await observe_window(telemetry, catalog, service, OBSERVE_SECONDS)
