"""Where something may happen: a named place in a named process, and which time that process comes to it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

INCIDENT = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}:?")
"""An incident's id: what a point is called must be the same in every run."""

HARNESS = "somebody-else:"
"""How the keys begin of what the run itself changes, to set the world up or to meddle."""


@dataclass(frozen=True, order=True)
class Point:
    part: str
    """The process that comes to it; ``wire`` between a pool and a control plane."""
    name: str
    nth: int

    def __str__(self) -> str:
        return f"{self.part}: {self.name}" + (f" ({self.nth})" if self.nth > 1 else "")

    @property
    def step(self) -> str | None:
        """The step whose change or undoing is under way at this point; none at others."""
        found = re.search(r"(\S+):(do|undo):\d+$", self.name)
        return found[1].partition(".")[2] if found else None


class Counting:
    """Turns what a process says into points, counted since the run began."""

    def __init__(self) -> None:
        self._met: Counter[tuple[str, str]] = Counter()

    def begin(self) -> None:
        self._met.clear()

    def point(self, part: str, said: str) -> Point | None:
        """None for what the run itself does."""
        if HARNESS in said:
            return None
        name = INCIDENT.sub("", said).strip()
        self._met[part, name] += 1
        return Point(part, name, self._met[part, name])
