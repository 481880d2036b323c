"""What is known of a trouble when a strategy is selected. Unknown is a value of its own: none, and never zero."""

from __future__ import annotations

from models.base import Frozen


class Confidence(Frozen):
    """Whether the newest release is the cause."""

    high: bool
    because: str


class Loss(Frozen):
    """What the trouble costs, in US dollars. Where the failed requests were not measured, nobody knows."""

    minutes: float
    """Since the first alert."""
    per_minute: float | None
    """At the share of requests that fails now."""
    most: float
    """A minute, if every request fails: the revenue of the service."""
    source: str
    """Where the revenue is known from: ``catalog``, ``tier-default`` or ``stated``."""

    @property
    def feared(self) -> float:
        """A minute; unknown is never nothing, but all that could be lost."""
        return self.most if self.per_minute is None else self.per_minute


class Circumstances(Frozen):
    """One service's, in one region. Times are in seconds."""

    service: str
    obstacles: tuple[str, ...]
    """Why nothing may be begun without a person, each a sentence."""
    target: str | None
    """The release that would be gone back to."""
    way: str
    """Why that one, or why none."""
    corruption: bool
    """Whether data are being damaged: then every minute of writing is to be undone as well."""
    incompatible: str | None
    """Why the target cannot run with the schema or the configuration that is there now; none if nothing is known."""
    confidence: Confidence
    burn_rate: float | None
    """Multiples of the rate that would just use the error budget up."""
    failing: float | None
    """Share of the users' requests that fail, 0 to 1."""
    bad: float | None
    """Share of them that misses an objective, which includes those that are only too slow, 0 to 1."""
    requests: int
    """Of the users, that this was measured on."""
    rate: float | None
    """Requests a second."""
    loss: Loss
    ready: int
    """Replicas of the target that are ready now."""
    full: int
    """Replicas of the target that all of the traffic needs."""
    room: int | None
    """Replicas of all releases that there is room for; none: not known, and taken to be enough."""
    at_once: int
    """Replicas of all releases while the target has its full capacity beside those that serve."""
    at_once_gradually: int
    """And where the bad release gives up share by share what it does not need any more."""
    target_share: int
    """Percent of the requests that the target has now."""
    going_back: tuple[str, ...]
    """The services that must themselves go back, this one among them."""
    durations: dict[str, float]
    """By strategy, the 95th percentile of how long earlier rollbacks took; one that is missing has no history."""
    emergency_allowed: str | None
    """By what, or by whom; none: by nobody."""
