"""Incidents that are open in the store: does anybody work on them, and what have they changed?"""

from __future__ import annotations

import asyncio

from temporalio.client import Client
from temporalio.service import RPCError

from activities.analytics.store import Store, incidents, open_store
from activities.analytics.store.incidents import IncidentInBrief
from models.base import Frozen
from models.incident import Phase
from models.settings import Settings
from workers.recovery.effects import effects, left_behind
from workers.recovery.planes import gather, planes
from workers.recovery.records import catalog_of, look_up
from workers.recovery.runs import connected, run_of

MOST = 10_000
"""Open incidents that are looked at."""


class Open(Frozen):
    """One incident that has not ended."""

    incident: str
    service: str
    region: str
    phase: Phase
    runs: bool | None
    """Whether its workflow runs. None: Temporal does not say."""
    workflow: str
    """The same for people."""
    changes: str
    """What of its changes is still in effect."""


async def survey(settings: Settings) -> tuple[Open, ...]:
    """Every open incident. Raises :class:`~models.base.SternwayError` where the store cannot be read."""
    store = open_store(settings.store_url)
    try:
        rows = await asyncio.to_thread(incidents.open_incidents, store, MOST)
        client = await connected(settings) if rows else None
        return tuple([await _look(store, client, row, settings) for row in rows])
    finally:
        store.close()


async def changed(store: Store, row: IncidentInBrief, settings: Settings) -> str:
    """What of the incident's changes is still in effect, as the control planes of its catalog say."""
    known = await asyncio.to_thread(look_up, store, row.id)
    catalog = await asyncio.to_thread(catalog_of, known, settings.catalog)
    gathered = await gather(planes(catalog, operate=""), row.id)
    away = "".join(f"; unknown: {name} is away" for name in gathered.away)
    return left_behind(effects(gathered.receipts)) + away


async def _look(store: Store, client: Client | None, row: IncidentInBrief, settings: Settings) -> Open:
    runs, workflow = None, "unknown: Temporal does not answer"
    if client is not None:
        try:
            run = await run_of(client, row.id, row.workflow, row.service)
            runs, workflow = run.runs, run.sentence
        except RPCError as error:
            workflow = f"unknown: {error.message}"
    return Open(
        incident=row.id,
        service=row.service,
        region=row.region,
        phase=row.phase,
        runs=runs,
        workflow=workflow,
        changes=await changed(store, row, settings),
    )
