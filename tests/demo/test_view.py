"""The picture fits every screen and says everything in signs; without a terminal there are plain lines instead."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from stories import RECOVERED, START, incident, resolved, second, step, told

from models.catalog import Level
from models.incident import Phase
from workers.local.demo.frame import frame
from workers.local.demo.plain import Progress
from workers.local.demo.sparkline import last, sparkline
from workers.local.demo.standing import standing
from workers.local.demo.story import Story

UNDER_WAY = {name: RECOVERED[name] for name in ("received", "protected", "planned")}
REASON = "stage soak: 13 of 240 requests of v1 failed, at most 0.1% may. [bold]A person[/bold] must decide" * 3


def drawn(story: Story, width: int, height: int, at: float = 36) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO(), color_system=None)
    console.print(frame(story, "payments v2, fault errors", START + at, width, height))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().splitlines()


def busy() -> Story:
    """Two regions, one verified and one held, callers that are advised, and more notes than fit."""
    steps = (step("protect", "done", 15), step("scale-target", "failed", 15), step("switch", "superseded", 16))
    advised = [
        incident("eu", Phase.ADVISED, {"received": 15}, service=service, level=Level.ADVISE)
        for service in ("billing", "orders", "portal")
    ]
    story = told(resolved("eu"), incident("us", Phase.EXECUTING, UNDER_WAY), *advised)
    story.incident(incident("us", Phase.HELD, UNDER_WAY, detail=REASON, steps=steps))
    for number in range(30):
        story.say(f"note {number} http://127.0.0.1:4{number:04}/{'x' * 60}")
    return story


@pytest.mark.parametrize(("width", "height"), [(100, 30), (80, 24), (200, 60)])
def test_the_picture_fits_the_screen(width: int, height: int) -> None:
    lines = drawn(busy(), width, height)
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "note 29" in text
    assert "HELD: stage soak" in text
    assert "also: billing eu advised" in text


def test_every_state_has_a_sign_of_its_own() -> None:
    text = "\n".join(drawn(busy(), 100, 30))
    for sign in ("✓ protecting   61 ms", "✗ executing", "· lifting", "✗ scale", "≠ route 100% to v1", "↶ protect"):
        assert sign in text


def test_a_running_incident_shows_where_it_is_and_what_is_to_come() -> None:
    story = Story()
    story.incident(incident("eu", Phase.EXECUTING, UNDER_WAY, steps=(step("switch", "registered", 16),)))
    text = "\n".join(drawn(story, 100, 30))
    for part in ("✓ assessing", "✓ planning    400 ms", "▶ executing", "· verifying", "▶ route 100% to v1"):
        assert part in text


@pytest.mark.parametrize(
    ("story", "text"),
    [(Story(), "starting everything"), (told(), "stopping")],
)
def test_a_run_without_incidents_has_a_picture_too(story: Story, text: str) -> None:
    lines = drawn(story, 80, 24)
    assert len(lines) == 24
    assert text in lines[0]


def test_unknown_latency_is_not_a_zero() -> None:
    story = Story()
    story.load(second("eu", 35, sent=0, p50_ms=None, p99_ms=None))
    text = "\n".join(drawn(story, 100, 30))
    assert "p99 unknown" in text


@given(st.lists(st.tuples(st.floats(-90, 10), st.integers(0, 50)), max_size=40), st.sampled_from([30, 60]))
def test_a_sparkline_tells_nothing_from_zero_and_zero_from_little(counts: list[tuple[float, int]], width: int) -> None:
    slots = last(counts, 0, 60, width)
    line = sparkline(slots, 50)
    assert len(line) == width
    for value, sign in zip(slots, line, strict=True):
        assert (sign == " ") is (value is None)
        assert (sign == "·") is (value == 0)


def test_plain_lines_tell_notes_and_changes_at_once_and_a_pulse_every_two_seconds() -> None:
    lines: list[str] = []
    story = Story(clock=lambda: START)
    story.reach("started", START)
    progress = Progress(story, "payments v2", lines.append)
    progress.tell(START)
    story.say("gateway http://127.0.0.1:1")
    progress.tell(START + 0.3)
    progress.tell(START + 1.9)
    assert lines == ["   0.0 s  payments v2: starting everything", "   0.0 s  gateway http://127.0.0.1:1"]
    progress.tell(START + 2)
    assert lines[2:] == ["   2.0 s  payments v2: starting everything"]
    story.reach("fleet-ready", START + 2)
    story.load(second("eu", 2, sent=20, failed=4))
    progress.tell(START + 2.1)
    assert lines[3:] == ["   2.1 s  payments v2: all is well: users are served | eu 16 ok 4 failed /s"]


def test_the_run_stands_somewhere_at_every_moment() -> None:
    story, stands = Story(), list[str]()
    stands.append(standing(story))
    story.reach("fleet-ready", START)
    stands.append(standing(story))
    story.reach("deployed", START)
    stands.append(standing(story))
    story.incident(incident("eu", Phase.EXECUTING, UNDER_WAY))
    stands.append(standing(story))
    story.incident(resolved("eu"))
    story.reach("recovered", START)
    stands.append(standing(story))
    assert stands == [
        "starting everything",
        "all is well: users are served",
        "the bad release is out; no incident yet",
        "payments eu executing",
        "recovered; watching whether anything still fails",
    ]


PROGRAM = """
import asyncio
from workers.local.demo.story import Story
from workers.local.demo.view import shown

async def main():
    story = Story()
    story.reach("started", 0)
    async with shown(story, "payments v2", plain=False):
        story.say("gateway here")
    print("the report")

asyncio.run(main())
"""


def test_on_a_pipe_progress_goes_to_standard_error_and_nothing_else_to_standard_output() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "the report\n"
    assert "gateway here" in run.stderr
    assert "\x1b" not in run.stderr
