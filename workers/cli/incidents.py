"""``sternway incidents``: what runs and what ran, and a person's word to it, through the gateway."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from models.base import SternwayError
from workers.cli.asking import ask
from workers.cli.table import ago, show_parts, table_of
from workers.cli.word import By, Reason, Why

app = typer.Typer(
    no_args_is_help=True,
    help="See incidents, and approve, pause, resume, retry or abort them, or allow an emergency rollback.",
)

Id = Annotated[str, typer.Argument(help="The incident's ULID, as `sternway incidents list` shows it.")]
Json = Annotated[bool, typer.Option("--json", help="Print the gateway's answer as JSON, for machines.")]
Stage = Annotated[
    str | None, typer.Option(help="The stage that is approved, as SERVICE/STAGE. Without it, the plan as a whole.")
]
Plan = Annotated[str | None, typer.Option(help="Hash of the plan that you looked at; another one is then refused.")]


@app.command("list")
def list_incidents(
    open: Annotated[bool, typer.Option("--open", help="Only those that have not ended.")] = False,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=1000)] = 50,
    as_json: Json = False,
) -> None:
    """List incidents, the newest first.

    Example: [bold]sternway incidents list --open[/bold]
    """
    found: list[dict[str, Any]] = ask("GET", f"/v1/incidents?open={str(open).lower()}&limit={limit}")
    if as_json:
        print(json.dumps(found))
        return
    table = table_of("incident", "service", "region", "severity", "level", "phase", "received", "reason")
    for row in found:
        table.add_row(
            *(row[name] for name in ("id", "service", "region", "severity", "level")),
            f"{row['phase']}, {_paused(pause)}" if (pause := row.get("paused")) else row["phase"],
            ago(row["received_at"]),
            row["reason"],
        )
    show_parts(table if found else "no incidents")


@app.command()
def show(incident: Id, as_json: Json = False) -> None:
    """Show one incident with its steps, milestones and links.

    Example: [bold]sternway incidents show 01J9Z3…[/bold]
    """
    found: dict[str, Any] = ask("GET", f"/v1/incidents/{quote(incident, safe='')}")
    if as_json:
        print(json.dumps(found))
        return
    facts = table_of("", "")
    for name in ("id", "workflow", "service", "region", "severity", "level", "phase", "detail", "sentence", "strategy"):
        if found.get(name):
            facts.add_row(name, str(found[name]))
    if pause := found.get("paused"):
        facts.add_row("paused", f"{_paused(pause)} ({pause['since']}): {pause['reason'] or 'no reason given'}")
    plan: dict[str, Any] = found.get("plan") or {}
    facts.add_row("plan", plan.get("hash", "none yet"))
    for sentence in plan.get("preview", ()):
        facts.add_row("", sentence)
    for name, at in sorted(found.get("milestones", {}).items(), key=lambda reached: reached[1]):
        facts.add_row(name, at)
    for name, url in found["links"].items():
        facts.add_row(name, url)
    steps = table_of("step", "what", "module", "status", "detail")
    for step in found["steps"]:
        record: dict[str, str] = step["record"]
        steps.add_row(*(record[name] for name in ("step", "title", "module", "status", "detail")))
    show_parts(facts, steps)


@app.command()
def approve(
    incident: Id, by: By, reason: Reason = "", stage: Stage = None, plan: Plan = None, as_json: Json = False
) -> None:
    """Let the plan run, or the stage begin, that waits for a person.

    Example: [bold]sternway incidents approve 01J9Z3… --plan 5f0c2a… --reason "checked with the team"[/bold]

    Example: [bold]sternway incidents approve 01J9Z3… --stage payments/retire[/bold]
    """
    if stage is None:
        _say("approve", incident, by, reason, plan, as_json)
        return
    service, slash, name = stage.partition("/")
    if not (service and slash and name):
        raise SternwayError(f'"{stage}" names no stage; give SERVICE/STAGE, as `sternway incidents show` says')
    _say(f"approve/{quote(service, safe='')}/{quote(name, safe='')}", incident, by, reason, plan, as_json)


@app.command()
def pause(incident: Id, by: By, reason: Reason = "", as_json: Json = False) -> None:
    """Begin no further step; what runs is finished.

    Example: [bold]sternway incidents pause 01J9Z3… --reason "a deploy is running"[/bold]
    """
    _say("pause", incident, by, reason, None, as_json)


@app.command()
def resume(incident: Id, by: By, reason: Reason = "", as_json: Json = False) -> None:
    """Go on after a pause.

    Example: [bold]sternway incidents resume 01J9Z3…[/bold]
    """
    _say("resume", incident, by, reason, None, as_json)


@app.command()
def retry(incident: Id, by: By, reason: Reason = "", as_json: Json = False) -> None:
    """Run what the incident is held at again: the stage, or another attempt with a new plan.

    Example: [bold]sternway incidents retry 01J9Z3… --reason "the registry is back"[/bold]
    """
    _say("retry", incident, by, reason, None, as_json)


@app.command()
def emergency(
    incident: Id,
    by: By,
    reason: Why,
    as_json: Json = False,
) -> None:
    """Allow an emergency rollback in your name where its plan is held for that, and plan again.

    Example: [bold]sternway incidents emergency 01J9Z3… --reason "checkout is down, the owner agrees"[/bold]
    """
    _say("emergency", incident, by, reason, None, as_json)


@app.command()
def abort(incident: Id, by: By, reason: Reason = "", as_json: Json = False) -> None:
    """Stop at the next step boundary and undo what was done.

    Example: [bold]sternway incidents abort 01J9Z3… --reason "false alarm"[/bold]
    """
    _say("abort", incident, by, reason, None, as_json)


@app.command()
def orphans(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False) -> None:
    """List every incident that is open in the store, whether its workflow lives, and what it has changed.

    Read from the store, Temporal and the control planes themselves, so that it needs no gateway; and no Temporal, whose
    answer is then unknown. One whose workflow is gone is for `sternway undo` or `sternway restart`.

    Example: [bold]sternway incidents orphans[/bold]
    """
    import asyncio

    from models.settings import Settings
    from workers.recovery.orphans import survey

    found = asyncio.run(survey(Settings()))
    if as_json:
        for one in found:
            print(one.model_dump_json())
        return
    table = table_of("incident", "service", "region", "phase", "workflow", "changes")
    for one in found:
        table.add_row(one.incident, one.service, one.region, one.phase, one.workflow, one.changes)
    show_parts(table if found else "no incident is open")


def _paused(pause: dict[str, str]) -> str:
    return f"paused by {pause['by']} {ago(pause['since'])}"


def _say(action: str, incident: str, by: str, reason: str, plan: str | None, as_json: bool) -> None:
    word = {"by": by, "reason": reason, "plan": plan}
    answer: dict[str, str] = ask("POST", f"/v1/incidents/{quote(incident, safe='')}/{action}", word)
    print(json.dumps(answer) if as_json else f"{incident}: {answer['answer']}")
