"""``sternway undo``: have everything as it was before an incident, with nothing of Sternway left but control planes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from models.base import SternwayError
from workers.cli.word import By, Reason

if TYPE_CHECKING:
    from activities.analytics.store import Store
    from models.journal import Ended
    from models.settings import Settings
    from workers.recovery.planes import Place
    from workers.recovery.records import Known, Word
    from workers.recovery.report import Report, UndoneChange
    from workers.recovery.runs import Run
    from workers.recovery.undoing import Taken, Undoing

Say = Callable[[str], None]


def undo(
    incident: Annotated[str, typer.Argument(help="The incident's ULID.")],
    by: By,
    reason: Reason = "",
    step: Annotated[str | None, typer.Option(help="Take back this step alone, such as payments.freeze.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. Needed where there is no terminal.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")] = False,
) -> None:
    """Take back everything that an incident has changed, without its workflow.

    For when the workflow was terminated, or Temporal is lost: it works from the receipts that the control planes keep,
    and needs neither Temporal nor the gateway nor the store, only STERNWAY_OPERATE_TOKEN and the catalog. The incident
    can change nothing any more afterwards, also if its workflow comes back. Running it again goes on where it stopped.

    With --step one change of an incident that has ended is taken back and the rest of it stays, such as a freeze of
    deployments that outlived a rollback. Refused where what was changed after it may rely on it.

    The exit status is 0 if everything is as it was before, 1 if something is left, and 2 if it could not begin.

    Example: [bold]sternway undo 01J9Z3… --reason "Temporal is lost"[/bold]
    """
    import asyncio

    from workers.recovery.records import Word

    say: Say = (lambda _: None) if as_json else typer.echo
    try:
        report = asyncio.run(_undo(incident, Word("undo", by, reason, step), yes, say))
    except KeyboardInterrupt:
        typer.echo(f"stopped in the middle; `{_command(incident, step)}` goes on with the rest", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(report.model_dump_json())
    raise typer.Exit(0 if report.as_before else 1)


def _command(incident: str, step: str | None) -> str:
    return f"sternway undo {incident}{f' --step {step}' if step else ''}"


async def _undo(incident: str, word: Word, yes: bool, say: Say) -> Report:
    from models.settings import Settings
    from workers.recovery import records, report
    from workers.recovery.planes import Place, planes
    from workers.recovery.undoing import Undoing

    settings = Settings()
    if settings.operate_token is None:
        raise SternwayError("undoing changes production; set STERNWAY_OPERATE_TOKEN to that of the control planes")
    store, known, away = records.reach(settings, incident)
    run = await _run(settings, incident, known)
    say(f"workflow   {_require_over(incident, run, known, word.step)}")
    catalog = records.catalog_of(known, settings.catalog)
    place = Place(known.incident.region, known.incident.service) if known.incident else None
    undoing = Undoing(incident, catalog, planes(catalog, settings.operate_token.get_secret_value()), place, word.step)
    await undoing.look()
    if not undoing.found and not known.incident and not known.steps:
        store_says = f"whether there is one is not known: {away}" if away else "the store knows none of that name"
        raise SternwayError(f"no control plane has changed anything for an incident {incident}, and {store_says}")
    _show(known, undoing, say)
    if undoing.way.steps and not yes:
        _ask(_command(incident, word.step))
    # One step is shut out by its own undoing: its key has a receipt, so that a late call of it changes nothing.
    fences = () if word.step else await undoing.fence()
    if store and place and not word.step:
        _let_go(store, incident, place)
    changes = [_line(taken, say) async for taken in undoing.take_back()]
    left = await report.left(undoing, changes)
    done = report.Report(
        incident=incident,
        step=word.step,
        as_before=not left,
        changes=tuple(changes),
        left=left,
        lifted=tuple(lease for fence in fences for lease in fence.lifted),
        recorded=_record(store, known, undoing, word, left) if store else _not_recorded(away),
    )
    _close(done, say)
    return done


async def _run(settings: Settings, incident: str, known: Known) -> Run | str:
    """What has become of the workflow; or why nobody can say."""
    from temporalio.service import RPCError

    from workers.recovery.runs import connected, run_of

    client = await connected(settings)
    if client is None:
        return "not known, as Temporal does not answer"
    row = known.incident
    try:
        return await run_of(client, incident, row.workflow if row else None, row.service if row else None)
    except RPCError as error:
        return f"not known, as Temporal does not say what has become of it: {error.message}"


def _require_over(incident: str, run: Run | str, known: Known, step: str | None) -> str:
    """What has become of the workflow, for people. Raises :class:`~models.base.SternwayError` while it runs; and for
    one step, with which it is not shut out, also where it may run or its rollback does."""
    whole = f"have everything taken back, which shuts it out: sternway undo {incident}"
    if isinstance(run, str):
        if step is None:
            return f"{run}; it is shut out, whatever becomes of it"
        if known.incident and known.incident.ended_at:
            return f"{run}; the store says that it has ended"
        raise SternwayError(
            f"whether incident {incident} runs is {run}, and while it runs it may rely on any step of it; start "
            f"Temporal, or {whole}"
        )
    if run.runs:
        raise SternwayError(
            f"incident {incident} runs, and knows best how to undo what it has done; abort it instead: "
            f"sternway incidents abort {incident}"
        )
    if run.rollback_runs and step:
        raise SternwayError(f"of incident {incident}, {run.sentence}, and may rely on any step of it; {whole}")
    return run.sentence


def _let_go(store: Store, incident: str, place: Place) -> None:
    """Guards are told nothing more in its name. A store that is away has no say in undoing, and what it has lapses."""
    from contextlib import suppress
    from datetime import UTC, datetime

    from activities.analytics.store import intents
    from activities.breaker.contract import trip_id
    from models.intent import IntentRequest, Tier

    with suppress(SternwayError):
        for tier in (Tier.SERVICE, Tier.SYSTEM):
            wish = IntentRequest(
                id=trip_id(incident, tier),
                owner=incident,
                tier=tier,
                region=place.region,
                target=place.service,
                because="undone",
                seconds=1,
            )
            intents.lift(store, wish, datetime.now(UTC))


def _record(store: Store, known: Known, undoing: Undoing, word: Word, left: Sequence[str]) -> str:
    from workers.recovery.records import tell

    try:
        new = tell(store, undoing.incident, known, undoing.meant, word, _end(known, undoing, left, word))
    except Exception as error:  # noqa: BLE001 -- production is as it should be, and the record can be made later
        return _not_recorded(str(error))
    finally:
        store.close()
    return "recorded" if new else "recorded already"


def _not_recorded(why: str) -> str:
    return f"not recorded: {why}; run it again when the store is back"


def _show(known: Known, undoing: Undoing, say: Say) -> None:
    if row := known.incident:
        say(f"incident   {row.service} in {row.region}, {row.phase}: {row.sentence or row.detail or row.reason}")
    for name, why in undoing.away.items():
        say(f"away       {name}, which has no part in it: {why}")
    for effect in undoing.way.steps:
        if effect.standing == "in-effect":
            say(f"to undo    {effect.plane}: {effect.describe()}")
    for effect in undoing.found:
        if effect.standing == "in-effect" and effect not in undoing.meant:
            say(f"stays      {effect.plane}: {effect.describe()}")


def _ask(command: str) -> None:
    if not sys.stdin.isatty():
        raise SternwayError(f"nothing was done: there is nobody to ask; {command} --yes does it")
    try:
        agreed = typer.confirm("Have it as it was before, in this order?", err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise SternwayError("nothing was done")


def _line(taken: Taken, say: Say) -> UndoneChange:
    from workers.recovery.report import line

    words = {"restored": "restored", "already": "was undone", "superseded": "left", "failed": "NOT UNDONE"}
    say(f"{words[taken.came]:<10} {taken.effect.plane}: {taken.effect.describe()}: {taken.sentence}")
    return line(taken)


def _end(known: Known, undoing: Undoing, left: Sequence[str], word: Word) -> Ended | None:
    """How the incident has ended. None while another run may bring back what is left, and where only a step was meant:
    then it is what it was."""
    from models.incident import Phase
    from workers.recovery.records import ended

    if word.step:
        return None
    sentence = f"undone without its workflow by {word.by}: {word.reason or 'no reason given'}"
    if not left:
        return ended(known, Phase.ABORTED, sentence)
    if all(effect.standing != "superseded" for effect in undoing.found) or undoing.way.steps:
        return None
    return ended(known, Phase.HELD, f"{sentence}; left for a person: {'; '.join(left)}")


def _close(report: Report, say: Say) -> None:
    if report.lifted:
        say(f"lifted     its protection, {', '.join(report.lifted)}")
    for sentence in report.left:
        say(f"left       {sentence}")
    say(f"store      {report.recorded}")
    if not report.changes and not report.left:
        say("nothing is left to undo")
    elif report.as_before:
        say(f"everything that {report.step or 'the incident'} had changed is as it was before")
