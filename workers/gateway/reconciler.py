"""Finds incidents that nobody works on any more, and raises them: a workflow can be terminated, or lost.

It undoes nothing: whether to go back to the state before, or to begin again from the present one, is for a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from pydantic import ConfigDict
from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError
from ulid import ULID

from activities.analytics.store import Store, StoreUnavailable, incidents
from activities.analytics.store.assignments import unrecorded
from activities.analytics.store.deliveries import StoredAlert
from activities.analytics.store.incidents import IncidentInBrief
from activities.analytics.store.journal import append, append_to_open
from models.base import Frozen, SternwayError
from models.catalog_file import LoadedCatalog
from models.incident import Phase
from models.journal import JournalEntry, PhaseEntered, Reported, Started
from models.settings import Settings
from workers.gateway.connection import Connection
from workers.gateway.opening import correlation, opening
from workers.gateway.writing import Writer
from workers.observability.logs import logger
from workers.recovery.orphans import MOST, changed
from workers.recovery.runs import RPC_TIMEOUT, Run, run_of, running

TICK = 15.0
"""Seconds between two rounds."""

SILENT = timedelta(minutes=1)
"""After which an incident that the store has not heard of, and Temporal does not run, is taken for lost."""


class Standing(Frozen):
    """Of an incident's answer to ``state`` what is needed here: the rest of another build's may have another form."""

    model_config = ConfigDict(extra="ignore")

    phase: Phase


class Reconciler:
    def __init__(
        self, settings: Settings, loaded: LoadedCatalog, store: Store, writer: Writer, connection: Connection
    ) -> None:
        self._settings = settings
        self._loaded = loaded
        self._store = store
        self._writer = writer
        self._connection = connection

    async def run(self, every: float = TICK) -> None:
        """A round every so many seconds, until cancelled."""
        while True:
            try:
                await self.look(await self._connection.client())
            except (RPCError, StoreUnavailable) as away:  # says nothing about any incident
                logger(__name__).warning("orphans are not looked for", reason=str(away), again_in=every)
            except Exception:  # noqa: BLE001 -- whatever it is, the next round may find it gone
                logger(__name__).exception("orphans are not looked for", again_in=every)
            await asyncio.sleep(every)

    async def look(self, client: Client) -> None:
        """One round over all open incidents. Raises ``RPCError`` and ``StoreUnavailable``."""
        listed = await running(client)
        await self._write_down(listed)
        for row in await asyncio.to_thread(incidents.open_incidents, self._store, MOST):
            if (row.id in listed) == (row.phase is not Phase.ORPHANED):
                continue  # the usual: it runs; or it was raised already
            await self._alone(row.id, self._settle(client, row))

    async def _write_down(self, listed: Collection[str]) -> None:
        """Incidents that were begun and lost before the store had heard of them: without a row nobody would look.

        What they began with is known from their alerts. One that runs after all keeps the row that it is given here.
        """
        before = datetime.now(UTC) - SILENT
        for incident, alerts in (await asyncio.to_thread(unrecorded, self._store, before)).items():
            if incident not in listed:
                await self._alone(incident, self._begin(incident, alerts))

    async def _begin(self, incident: str, alerts: Sequence[StoredAlert]) -> None:
        workflow = correlation(alerts[0].alert, self._loaded.catalog)
        started = Started(**dict(opening(incident, alerts, self._loaded)), workflow=workflow)
        await self._writer.write(partial(append, self._store, [_entry(incident, "incident-started", started)]))

    async def _alone(self, incident: str, work: Coroutine[Any, Any, None]) -> None:
        """One incident's trouble must not end the looking for all others. Raises ``RPCError``, ``StoreUnavailable``."""
        try:
            await work
        except (RPCError, StoreUnavailable):
            raise
        except Exception:  # noqa: BLE001 -- see above
            logger(__name__).exception("nobody knows whether an incident is orphaned", incident=incident)

    async def _settle(self, client: Client, row: IncidentInBrief) -> None:
        run = await run_of(client, row.id, row.workflow, row.service)
        if run.runs and row.phase is Phase.ORPHANED:
            await self._take_back(client, row)
        elif not run.runs and row.phase is not Phase.ORPHANED:
            await self._raise(row, run)

    async def _raise(self, row: IncidentInBrief, run: Run) -> None:
        """A workflow closes only after its end is recorded, so one that ended has ended in the store by now."""
        cure = f"sternway undo {row.id}, or sternway restart {row.id}"
        try:
            changes = await changed(self._store, row, self._settings)
        except SternwayError as unknown:
            changes = f"what it has changed is not known: {unknown}"
        detail = f"{run.sentence}; {changes}; {cure}"
        if await self._enter(row, PhaseEntered(phase=Phase.ORPHANED, detail=detail), unless={Phase.ORPHANED}):
            facts = {"incident": row.id, "service": row.service, "region": row.region}
            logger(__name__).error("incident orphaned", detail=detail, cure=cure, **facts)

    async def _take_back(self, client: Client, row: IncidentInBrief) -> None:
        """Its workflow runs again: Temporal's database was restored."""
        try:
            state = await client.get_workflow_handle(row.workflow).query(
                "state", result_type=Standing, rpc_timeout=RPC_TIMEOUT
            )
        except WorkflowQueryFailedError:
            return
        entered = PhaseEntered(phase=state.phase, detail="its workflow runs again")
        if await self._enter(row, entered, unless=set(Phase) - {Phase.ORPHANED}):
            logger(__name__).info("incident not orphaned any more", incident=row.id, phase=state.phase)

    async def _enter(self, row: IncidentInBrief, entered: PhaseEntered, unless: Collection[Phase]) -> bool:
        entry = _entry(row.id, "phase", entered)
        return await self._writer.write(partial(append_to_open, self._store, entry, unless))


def _entry(incident: str, kind: str, payload: Reported) -> JournalEntry:
    return JournalEntry(
        incident=incident,
        source=f"reconciler/{ULID()}",
        source_seq=0,
        kind=kind,
        at=datetime.now(UTC),
        payload=payload.model_dump(mode="json"),
    )
