"""Progress as plain lines, for pipes, logs and ``--json``: every note and every change of phase, and a pulse."""

from __future__ import annotations

from collections.abc import Callable

from workers.local.demo.standing import standing
from workers.local.demo.story import Story

PULSE = 2.0
"""Seconds between two lines, while the run comes no further."""


class Progress:
    """Remembers what has been told already."""

    def __init__(self, story: Story, title: str, write: Callable[[str], None]) -> None:
        self._story, self._title, self._write = story, title, write
        self._notes = 0
        self._standing = ""
        self._told_at = 0.0

    def tell(self, now: float) -> None:
        """What is new at Unix time *now*."""
        start = self._story.moments.get("started", now)
        for note in self._story.notes[self._notes :]:
            self._write(f"{note.at - start:6.1f} s  {note.text}")
        self._notes = len(self._story.notes)
        stands = standing(self._story)
        if stands != self._standing or now - self._told_at >= PULSE:
            self._standing, self._told_at = stands, now
            self._write(f"{now - start:6.1f} s  {self._title}: {stands}{self._traffic()}")

    def _traffic(self) -> str:
        """What the last second brought to each region; nothing before there is traffic."""
        latest = {region: seconds[-1] for region, seconds in sorted(self._story.seconds.items())}
        return "".join(f" | {region} {second.ok} ok {second.failed} failed /s" for region, second in latest.items())
