"""What one run of the demo came to: times, requests, what was done and undone, and whether the service is well."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field
from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from models.base import Frozen
from models.incident import Milestone, Phase
from workers.local.demo.health import problems_of, shares
from workers.local.demo.story import Incident, Story
from workers.local.demo.tally import Requests, add, tally


class IncidentReport(Frozen):
    """One incident. Times count from the webhook's receipt; none: that was not reached."""

    id: str
    region: str | None
    service: str | None
    phase: Phase | None
    """None: its journal has not told yet."""
    strategy: str | None
    bad: str | None = Field(serialization_alias="from")
    target: str | None = Field(serialization_alias="to")
    first_action_ms: float | None
    contained_s: float | None
    recovered_s: float | None
    done: tuple[str, ...]
    undone: tuple[str, ...]
    """Taken back: the protective lease at the end of a recovery, everything after an abort."""
    unsettled: tuple[str, ...]
    """Neither done nor cleanly undone, and why."""
    verdict: str | None
    """The last gate's, as a sentence."""
    outcome: str
    """What it came to, or why it is held."""
    temporal: str | None
    """Where it is traced in the Temporal UI, while that runs."""
    gateway: str | None


class Report(Frozen):
    """The whole run."""

    fault: str
    healthy: bool
    """The service was verified healthy on its earlier release, in every region, and nothing failed afterwards: there
    are no problems."""
    problems: tuple[str, ...]
    """Why it is not known to be healthy. Missing data never passes."""
    released: dict[str, dict[str, int]]
    """What serves now: weights by release, by region."""
    incidents: tuple[IncidentReport, ...]
    """Those in which something was done."""
    advised: tuple[str, ...]
    """Those that were assessed and reported only, as ``service in region``."""
    requests: Requests
    requests_by_region: dict[str, Requests]
    seconds: float | None
    """From the start-up to the end."""


def make_report(story: Story, *, fault: str, service: str, target: str, regions: Sequence[str], at: float) -> Report:
    """What *story* comes to at Unix time *at*, when *service* was to be recovered on release *target* in *regions*."""
    requests = {region: tally(story, region) for region in regions}
    problems = problems_of(story, service, target, requests)
    started = story.moments.get("started")
    return Report(
        fault=fault,
        healthy=not problems,
        problems=problems,
        released={region: story.weights[region] for region in regions if region in story.weights},
        incidents=tuple(_incident(incident) for incident in story.acting()),
        advised=tuple(f"{i.service} in {i.region}" for i in story.incidents if i.advised),
        requests=add(requests.values()),
        requests_by_region=requests,
        seconds=None if started is None else round(at - started, 1),
    )


def _incident(incident: Incident) -> IncidentReport:
    first = incident.since_receipt(Milestone.PROTECTED)
    records = [step.record for step in incident.steps]
    return IncidentReport(
        id=incident.id,
        region=incident.region,
        service=incident.service,
        phase=incident.phase,
        strategy=incident.strategy,
        bad=incident.bad,
        target=incident.target,
        first_action_ms=None if first is None else round(first * 1000, 1),
        contained_s=_rounded(incident.since_receipt(Milestone.CONTAINED)),
        recovered_s=_rounded(incident.since_receipt(Milestone.RECOVERED)),
        done=tuple(r.title for r in records if r.status == "done"),
        undone=tuple(f"{r.title} ({r.detail})" if r.detail else r.title for r in records if r.status == "undone"),
        unsettled=tuple(
            f"{r.title}: {r.status}{f', {r.detail}' if r.detail else ''}"
            for r in records
            if r.status not in ("done", "undone")
        ),
        verdict=incident.verdict.sentence if incident.verdict else None,
        outcome=incident.hold or incident.sentence,
        temporal=incident.links.get("temporal"),
        gateway=incident.links.get("gateway"),
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def as_json(report: Report) -> str:
    """The report as one JSON object on one line."""
    return report.model_dump_json(by_alias=True)


def render(report: Report) -> RenderableType:
    """The report as a page for people."""
    head = f"{'✓ healthy' if report.healthy else '✗ NOT known to be healthy'}   fault: {report.fault}"
    parts: list[RenderableType] = [
        Rule(Text("What happened", style="bold"), align="left"),
        Text(f"{head}   {known(report.seconds, ' s')} from start-up to end", style="bold"),
        *(Text(f"✗ {problem}", style="red") for problem in report.problems),
        Text(),
        _times(report),
        Text(),
        _requests(report),
        Text(),
        *(_deeds(incident) for incident in report.incidents),
    ]
    if report.advised:
        parts.append(Text(f"Assessed and reported only, nothing was done to them: {', '.join(report.advised)}"))
    return Group(*parts)


def known(value: float | None, unit: str = "") -> str:
    """A figure for people; what is not known is never shown as a zero."""
    return "unknown" if value is None else f"{value:,}{unit}"


def _times(report: Report) -> Table:
    table = _table("from the webhook to", *(f"{i.service} in {i.region}" for i in report.incidents))
    rows = {
        "first protective action": [known(i.first_action_ms, " ms") for i in report.incidents],
        "containment": [known(i.contained_s, " s") for i in report.incidents],
        "verified recovery": [known(i.recovered_s, " s") for i in report.incidents],
        "phase": [i.phase or "unknown" for i in report.incidents],
        "now served by": [_served(report, i.region) for i in report.incidents],
    }
    for name, cells in rows.items():
        table.add_row(name, *map(Text, cells))
    return table


def _served(report: Report, region: str | None) -> str:
    return shares(report.released[region]) if region in report.released else "unknown"


def _requests(report: Report) -> Table:
    columns = {**report.requests_by_region, "all": report.requests}
    table = _table("requests of users", *columns)
    for field in Requests.model_fields:
        table.add_row(field.replace("_", " "), *(known(getattr(counted, field)) for counted in columns.values()))
    return table


def _deeds(incident: IncidentReport) -> Table:
    """What was done and undone in one incident, with its links."""
    deeds = Table(box=None, pad_edge=False, show_header=False)
    deeds.add_column(no_wrap=True)
    deeds.add_column(overflow="fold")
    change = f"{incident.strategy} rollback from {incident.bad or '?'} to {incident.target or '?'}"
    deeds.add_row(f"{incident.service} in {incident.region}", Text(change if incident.strategy else "no rollback"))
    for name, lines in (("✓ done", incident.done), ("↶ undone", incident.undone), ("✗ neither", incident.unsettled)):
        for line in lines:
            deeds.add_row(f"  {name}", Text(line))
    for name in ("verdict", "outcome", "temporal", "gateway"):
        if text := getattr(incident, name):
            deeds.add_row(f"  {name}", Text(text))
    deeds.add_row()
    return deeds


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table
