"""Why something did not come to its end: what workflows pass on to whoever decides what follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Trouble:
    sentence: str
    kind: Literal["failed", "stale", "unapproved", "outranked", "neighbour"] = "failed"
    """``stale``: the world is not what the plan was made for; plan again, where nothing has been done yet. Of the last
    two nothing has failed: nobody has said yes in time, or somebody of a higher priority wants the lock."""


ABORT_ASKED = Trouble("a person asked to abort")
