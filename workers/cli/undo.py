"""``sternway undo``: have everything as it was before an incident, with nothing of Sternway left but control planes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from models.base import Frozen, SternwayError
from workers.cli.word import By, Reason

if TYPE_CHECKING:
    from activities.analytics.store import Store
    from models.journal import Ended
    from models.settings import Settings
    from workers.recovery.effects import Effect
    from workers.recovery.records import Known, Word
    from workers.recovery.undoing import Taken, Undoing

Say = Callable[[str], None]


class UndoneChange(Frozen):
    """One line of the report."""

    where: str
    """The control plane."""
    change: str
    """What undoing it makes of the fields."""
    came: str
    """``restored``, ``already`` undone, ``superseded`` by somebody else, or ``failed``."""
    sentence: str


class Report(Frozen):
    """What the command prints with ``--json``."""

    incident: str
    as_before: bool
    """Everything that the incident had changed is as it was before."""
    changes: tuple[UndoneChange, ...]
    """Those that this run took back, or tried to."""
    left: tuple[str, ...]
    """What is not as it was before, and why."""
    lifted: tuple[str, ...]
    """Leases of its protection."""
    recorded: str
    """Whether the store knows it by now."""


def undo(
    incident: Annotated[str, typer.Argument(help="The incident's ULID.")],
    by: By,
    reason: Reason = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. Needed where there is no terminal.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")] = False,
) -> None:
    """Take back everything that an incident has changed, without its workflow.

    For when the workflow was terminated, or Temporal is lost: it works from the receipts that the control planes keep,
    and needs neither Temporal nor the gateway nor the store, only STERNWAY_OPERATE_TOKEN and the catalog. The incident
    can change nothing any more afterwards, also if its workflow comes back. Running it again goes on where it stopped.

    The exit status is 0 if everything is as it was before, 1 if something is left, and 2 if it could not begin.

    Example: [bold]sternway undo 01J9Z3… --reason "Temporal is lost"[/bold]
    """
    import asyncio

    from workers.recovery.records import Word

    say: Say = (lambda _: None) if as_json else typer.echo
    try:
        report = asyncio.run(_undo(incident, Word("undo", by, reason), yes, say))
    except KeyboardInterrupt:
        typer.echo(f"stopped in the middle; `sternway undo {incident}` goes on with the rest", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(report.model_dump_json())
    raise typer.Exit(0 if report.as_before else 1)


async def _undo(incident: str, word: Word, yes: bool, say: Say) -> Report:
    from models.settings import Settings
    from workers.recovery import records
    from workers.recovery.planes import Place, planes
    from workers.recovery.undoing import Undoing

    settings = Settings()
    if settings.operate_token is None:
        raise SternwayError("undoing changes production; set STERNWAY_OPERATE_TOKEN to that of the control planes")
    store, known, away = records.reach(settings, incident)
    say(f"workflow   {await _not_running(settings, incident, known)}")
    catalog = records.catalog_of(known, settings.catalog)
    place = Place(known.incident.region, known.incident.service) if known.incident else None
    undoing = Undoing(incident, catalog, planes(catalog, settings.operate_token.get_secret_value()), place)
    await undoing.look()
    if not undoing.found and not known.incident and not known.steps:
        store_says = f"whether there is one is not known: {away}" if away else "the store knows none of that name"
        raise SternwayError(f"no control plane has changed anything for an incident {incident}, and {store_says}")
    _show(known, undoing, say)
    if undoing.way.steps and not yes:
        _ask(incident)
    lifted = [lease for fence in await undoing.fence() for lease in fence.lifted]
    changes = [_line(taken, say) async for taken in undoing.take_back()]
    left = await _left(undoing, changes)
    report = Report(
        incident=incident,
        as_before=not left,
        changes=tuple(changes),
        left=tuple(left),
        lifted=tuple(lifted),
        recorded=_record(store, known, undoing, word, left) if store else _not_recorded(away),
    )
    _close(report, say)
    return report


async def _not_running(settings: Settings, incident: str, known: Known) -> str:
    """What has become of the workflow. Raises :class:`~models.base.SternwayError` while it runs."""
    from temporalio.service import RPCError

    from workers.recovery.runs import connected, run_of

    client = await connected(settings)
    if client is None:
        return "not known, as Temporal does not answer; it is shut out, whatever becomes of it"
    row = known.incident
    try:
        run = await run_of(client, incident, row.workflow if row else None, row.service if row else None)
    except RPCError as error:
        return f"Temporal does not say what has become of it: {error.message}"
    if run.runs:
        raise SternwayError(
            f"incident {incident} runs, and knows best how to undo what it has done; abort it instead: "
            f"sternway incidents abort {incident}"
        )
    return run.sentence


def _record(store: Store, known: Known, undoing: Undoing, word: Word, left: list[str]) -> str:
    from workers.recovery.records import tell

    try:
        new = tell(store, undoing.incident, known, undoing.found, word, _end(known, undoing, left, word))
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


def _ask(incident: str) -> None:
    if not sys.stdin.isatty():
        raise SternwayError(f"nothing was done: there is nobody to ask; sternway undo {incident} --yes does it")
    try:
        agreed = typer.confirm("Have it as it was before, in this order?", err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise SternwayError("nothing was done")


def _line(taken: Taken, say: Say) -> UndoneChange:
    words = {"restored": "restored", "already": "was undone", "superseded": "left", "failed": "NOT UNDONE"}
    say(f"{words[taken.came]:<10} {taken.effect.plane}: {taken.effect.describe()}: {taken.sentence}")
    return UndoneChange(
        where=taken.effect.plane, change=taken.effect.describe(), came=taken.came, sentence=taken.sentence
    )


async def _left(undoing: Undoing, changes: list[UndoneChange]) -> list[str]:
    """Looked at anew, and not worked out from what was done."""
    failed = [f"{line.where}: {line.change}: {line.sentence}" for line in changes if line.came == "failed"]
    try:
        await undoing.look()
    except SternwayError as away:
        return [*failed, str(away)]
    standing = {"in-effect": "still in effect", "superseded": "somebody else changed it in the meantime"}
    left = [_sentence(effect, standing[effect.standing]) for effect in undoing.found if effect.standing in standing]
    return [*failed, *left, *await undoing.unconfirmed()]


def _sentence(effect: Effect, standing: str) -> str:
    return f"{effect.plane}: {effect.describe()}: {standing}"


def _end(known: Known, undoing: Undoing, left: list[str], word: Word) -> Ended | None:
    """How the incident has ended. None while another run may bring back what is left."""
    from models.incident import Phase
    from workers.recovery.records import ended

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
        say("everything that the incident had changed is as it was before")
