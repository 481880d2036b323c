"""Why something did not come to its end: what workflows pass on to whoever decides what follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Trouble:
    sentence: str
    kind: Literal["failed", "stale", "unapproved", "outranked", "neighbour"] = "failed"
    """
    - ``failed``: something went wrong, or did not pass, or a person has aborted;
    - ``stale``: the world is not what the plan was made for, so this plan cannot go on;
    - ``unapproved``: nothing has failed, and nobody has said yes in time;
    - ``outranked``: nothing has failed, and somebody of a higher priority wants the lock;
    - ``neighbour``: nothing has failed here, and another lane of the wave has met trouble.
    """


ABORT_ASKED = Trouble("a person asked to abort")
