"""Why something did not come to its end: what workflows pass on to whoever decides what follows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trouble:
    sentence: str
    stale: bool = False
    """The world is not what the plan was made for: plan again, where nothing has been done yet."""


ABORT_ASKED = Trouble("a person asked to abort")
