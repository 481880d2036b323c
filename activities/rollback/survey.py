"""A moment's look at the services that may have to go back with the troubled one, and what the store remembers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from activities.analytics.contract import OBSERVE_SECONDS
from activities.analytics.sampling import observe
from activities.analytics.store import Store
from activities.analytics.store.recollection import recall
from activities.directory import Directory
from models.base import SternwayError
from models.catalog import Catalog
from models.observation import Observation
from models.recollection import Recollection
from models.scope import Scope
from models.survey import Survey

RECALL_SECONDS = 3.0
"""That the store may take: a plan without memory is better than one that comes late."""


async def survey(directory: Directory, store: Store, catalog: Catalog, scope: Scope, services: Sequence[str]) -> Survey:
    """*services*: those that are concerned, the troubled one among them, which is observed by itself."""
    others = [name for name in services if name != scope.service]
    observed, memory = await asyncio.gather(
        asyncio.gather(*(look(directory, catalog, scope.at(name)) for name in others)),
        recollections(store, services, scope.region),
    )
    return Survey(observations=dict(zip(others, observed, strict=True)), recollections=memory)


async def look(directory: Directory, catalog: Catalog, scope: Scope) -> Observation:
    """At the service of the *scope*, as long as at the troubled one."""
    return await observe(await directory.telemetry(scope), catalog, scope.service, OBSERVE_SECONDS)


async def recollections(store: Store, services: Sequence[str], region: str) -> dict[str, Recollection]:
    """By service, what is remembered of it; one that the store does not tell of in time is missing."""
    recalled = await asyncio.gather(*(_recall(store, name, region) for name in services))
    return {name: found for name, found in zip(services, recalled, strict=True) if found}


async def _recall(store: Store, service: str, region: str) -> Recollection | None:
    try:
        async with asyncio.timeout(RECALL_SECONDS):
            return await asyncio.to_thread(recall, store, service, region, datetime.now(UTC))
    except (SternwayError, TimeoutError):  # it is away, empty, or of another schema
        return None
