"""``sternway restart``: begin an incident again whose workflow is gone, as a new one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from models.base import SternwayError
from workers.cli.word import By, Reason

if TYPE_CHECKING:
    from workers.recovery.records import Word


def restart(
    incident: Annotated[str, typer.Argument(help="The ULID of the incident whose workflow is gone.")],
    by: By,
    reason: Reason = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")] = False,
) -> None:
    """Begin an incident again: a new one for the same alerts, from the state of the world as it is.

    For when the workflow was terminated, or Temporal's database is lost. The old incident can change nothing any more,
    and what it had changed stays; run `sternway undo` first to begin from the state before it. The gateway begins the
    new one within seconds. Refused while the old one runs.

    Example: [bold]sternway restart 01J9Z3… --reason "Temporal's database was lost"[/bold]
    """
    import asyncio

    from workers.recovery.records import Word

    alerts = asyncio.run(_restart(incident, Word("restart", by, reason)))
    if as_json:
        typer.echo(json.dumps({"incident": incident, "alerts": alerts}))
        return
    noun = "alert waits" if alerts == 1 else "alerts wait"
    typer.echo(f"{incident} has ended, and its {alerts} {noun} for a new incident; sternway incidents list shows it")


async def _restart(incident: str, word: Word) -> int:
    from datetime import UTC, datetime

    from temporalio.service import RPCError

    from activities.analytics.store import assignments, deliveries, open_store
    from models.incident import Phase
    from models.settings import Settings
    from workers.recovery import records
    from workers.recovery.planes import Place, planes
    from workers.recovery.runs import connected, run_of
    from workers.recovery.undoing import Undoing

    settings = Settings()
    if settings.operate_token is None:
        raise SternwayError(
            "the old incident is shut out first; set STERNWAY_OPERATE_TOKEN to the control planes' token"
        )
    store = open_store(settings.store_url)
    try:
        known, first = records.look_up(store, incident), assignments.of_incident(store, incident)
        if first is None:
            raise SternwayError(
                f"the store has no alert of an incident {incident}, so there is nothing to begin again: they wait for "
                "their incident already, or there is none of that name; sternway incidents list shows those there are"
            )
        place = Place(first.alert.region, first.alert.service)
        client = await connected(settings)
        if client is None:
            raise SternwayError(
                f"Temporal does not answer at {settings.temporal_address}: nobody knows whether the incident runs, and "
                "a new one could not begin; start Temporal, or undo the incident, which needs none: sternway undo"
            )
        try:
            run = await run_of(client, incident, known.incident.workflow if known.incident else None, place.service)
        except RPCError as error:
            raise SternwayError(f"Temporal does not say whether the incident runs: {error.message}") from error
        if run.runs:
            raise SternwayError(f"incident {incident} runs; abort it first: sternway incidents abort {incident}")
        catalog = records.catalog_of(known, settings.catalog)
        old = Undoing(incident, catalog, planes(catalog, settings.operate_token.get_secret_value()), place)
        await old.look()
        await old.fence()
        sentence = f"begun again by {word.by}: {word.reason or 'no reason given'}"
        records.tell(store, incident, known, old.found, word, records.ended(known, Phase.ABORTED, sentence))
        return deliveries.put_back(store, incident, datetime.now(UTC))
    finally:
        store.close()
