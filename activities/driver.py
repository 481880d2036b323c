"""The three ways in which a driver says no. An activity turns each into what Temporal should do about it."""

from __future__ import annotations

from models.base import SternwayError
from models.receipt import Conflict


class Unavailable(SternwayError):
    """The system did not answer, so what became of the call is unknown. Calling again with the same key is safe."""


class Refused(SternwayError):
    """The system answered no: bad request, missing permission, or a key that was fenced. Calling again is useless."""


class Moved(SternwayError):
    """The resource is at another generation than the plan was made for. Plan again."""

    def __init__(self, conflict: Conflict) -> None:
        super().__init__(
            f"{conflict.resource} is at generation {conflict.generation}, the plan was made for {conflict.expected}: "
            "somebody else changed it in the meantime; plan again"
        )
        self.conflict = conflict
