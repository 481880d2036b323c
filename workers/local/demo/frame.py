"""One picture of the demo for a terminal: a pure function of the story, the time and the size of the screen.

Nothing is said by colour alone: every mark is a sign of its own, and the bottom line says which is which.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from deploy.demo.load import Second
from models.incident import Phase, StepRecord
from workers.local.demo.sparkline import last, sparkline
from workers.local.demo.standing import name, since_webhook, span, standing
from workers.local.demo.story import CHAIN, Incident, Story

WINDOW = 60
"""Seconds that the sparklines show."""

MARKS = {
    "registered": ("▶", "bold"),
    "done": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "undone": ("↶", "cyan"),
    "superseded": ("≠", "bold red"),
    "nothing-to-undo": ("∅", "dim"),
}
BESIDE = 23
"""Characters of the column of phases."""
LEGEND = "▶ now  ✓ done  ↶ undone  ✗ failed  ≠ changed by somebody else  ∅ nothing to undo  · to come"


def frame(story: Story, title: str, now: float, width: int, height: int) -> RenderableType:
    """The picture at Unix time *now*, of at most *height* lines of *width* characters."""
    above = [_header(story, title, now), *_traffic(story, now, width), *_incidents(story, width)]
    used = sum(lines for _, lines in above)
    notes = story.notes[-max(1, height - used - 2) :]
    return Group(
        *(part for part, _ in above),
        Rule(style="dim"),
        *(_line(f"{note.at - _start(story, now):5.1f} s  {note.text}") for note in notes),
        *[_line("")] * max(0, height - used - 2 - len(notes)),
        _line(LEGEND, "dim"),
    )


Part = tuple[RenderableType, int]
"""Something to show, and its lines."""


def _header(story: Story, title: str, now: float) -> Part:
    text = _line(f"{title}   {now - _start(story, now):4.0f} s   ", "bold")
    return text.append(standing(story)), 1


def _start(story: Story, now: float) -> float:
    return story.moments.get("started", now)


def _traffic(story: Story, now: float, width: int) -> list[Part]:
    parts: list[Part] = [(Rule(Text(f"the last {WINDOW} s", style="dim"), align="left", style="dim"), 1)]
    for region, seconds in sorted(story.seconds.items()):
        parts += [(line, 1) for line in _region(region, seconds, now, width)]
    return parts


def _region(region: str, seconds: Sequence[Second], now: float, width: int) -> tuple[Text, Text]:
    """Two lines on one scale, so that failures are seen as a share of the requests."""
    slots = WINDOW if width >= WINDOW + 36 else WINDOW // 2
    recent = [second for second in seconds if second.at > now - WINDOW]
    top = max((second.sent for second in recent), default=0)
    sent = last([(second.at, second.sent) for second in recent], now, WINDOW, slots)
    failed = last([(second.at, second.failed) for second in recent], now, WINDOW, slots)
    latest = seconds[-1]
    requests = _line(f"{region:<4}requests/s ").append(sparkline(sent, top), "green")
    requests.append(f" {latest.sent:>4}  p50 {_milliseconds(latest.p50_ms)}")
    failures = _line(f"{'':<4}failed/s   ").append(sparkline(failed, top), "red")
    failures.append(f" {latest.failed:>4}", "bold red" if latest.failed else "")
    return requests, failures.append(f"  p99 {_milliseconds(latest.p99_ms)}")


def _milliseconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.0f} ms"


def _incidents(story: Story, width: int) -> list[Part]:
    """The newest acting incident of each region side by side; the others in a line."""
    acting = story.acting()
    newest = {incident.region: incident for incident in acting}
    shown = [newest[region] for region in sorted(newest, key=str)]
    parts: list[Part] = []
    if shown:
        each = width // len(shown)
        grid = Table.grid(expand=True)
        for _ in shown:
            grid.add_column(width=each)
        cells = [_incident(incident, each - 2) for incident in shown]
        lines = max(map(len, cells))
        grid.add_row(*(Group(*cell) for cell in cells))
        about = Text("incidents, with the time since the webhook", style="dim")
        parts = [(Rule(about, align="left", style="dim"), 1), (grid, lines)]
    others = [f"{name(i)} {i.phase or 'begins'}" for i in story.incidents if i not in shown]
    if others:
        parts.append((_line(f"also: {', '.join(others)}", "dim"), 1))
    return parts


def _incident(incident: Incident, width: int) -> list[Text]:
    """A line with its name, then its phases with its steps beside them, then why it is held."""
    head = _line(f"{name(incident)}: {incident.phase or 'begins'}", "bold")
    phases = [_phase(incident, phase) for phase in CHAIN]
    steps = [_step(step.record, width - BESIDE) for step in incident.steps]
    missing = len(steps) - len(phases)
    if missing > 0:
        steps = [_line(f"  … {missing + 1} earlier steps", "dim"), *steps[missing + 1 :]]
    for phase, step in zip(phases, steps, strict=False):
        phase.pad_right(BESIDE - phase.cell_len)
        phase.append_text(step)
    return [head, *phases, *_hold(incident, width)]


def _phase(incident: Incident, phase: Phase) -> Text:
    """Its mark, and the time from the webhook to the milestone that ends it."""
    stands = CHAIN.index(incident.furthest) if incident.furthest else 0
    place = CHAIN.index(phase)
    passed = place < stands or incident.phase is Phase.RESOLVED
    mark, style = ("✓", "green") if passed else ("·", "dim") if place > stands else ("▶", "bold")
    if place == stands and incident.over and not passed:
        mark, style = "✗", "bold red"
    return _line(f"{mark} {phase:<11}", style).append(f"{span(since_webhook(incident, phase)):>7}", "not dim")


def _step(record: StepRecord, width: int) -> Text:
    """Its title where there is room for it, otherwise its short name."""
    mark, style = MARKS[record.status]
    name = record.title if len(record.title) + 2 <= width else record.step
    line = _line(f"{mark} {name}", style)
    line.truncate(width, overflow="ellipsis")
    return line


def _hold(incident: Incident, width: int) -> list[Text]:
    """At most two lines."""
    if incident.hold is None:
        return []
    lines = textwrap.wrap(f"HELD: {incident.hold}", width, max_lines=2, placeholder=" …")
    return [_line(line, "bold red") for line in lines]


def _line(text: str, style: str = "") -> Text:
    """One line, never wrapped; signs of others' making are not read as markup."""
    return Text(text.replace("\n", " "), style=style, no_wrap=True, overflow="ellipsis")
