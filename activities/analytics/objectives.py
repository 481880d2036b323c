"""What a service promises, held against what one arm counted: the metrics that every verdict is about.

A further metric, such as a business event, is one more :class:`Objective` here, and every judge takes it up.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.catalog import Slos
from models.telemetry import Count

NOTHING = Count(requests=0, errors=0, slow=0)


@dataclass(frozen=True)
class Objective:
    """One metric of one arm: how many of its events were bad."""

    metric: str
    words: str
    """What the bad events did, as in "3 of 100 failed"."""
    bad: int
    total: int
    objective: float
    """Share of events that must be good, in percent."""

    @property
    def budget(self) -> float:
        """The largest acceptable share of bad events, 0 to 1. Rounded, so that 99.9% leaves 0.1% and no less."""
        return round(1 - self.objective / 100, 12)


def objectives(count: Count, slos: Slos) -> tuple[Objective, ...]:
    """The service's objectives with one arm's counts: the same metrics in the same order for every arm.

    A source may count a request's error a moment before the request: there are never more bad ones than requests.
    """
    total = count.requests
    availability = Objective("availability", "failed", min(count.errors, total), total, slos.availability.objective)
    if slos.latency is None:
        return (availability,)
    words = f"slower than {slos.latency.threshold_ms:g} ms"
    return (availability, Objective("latency", words, min(count.slow, total), total, slos.latency.objective))


def metrics(slos: Slos) -> tuple[str, ...]:
    """The names of what :func:`objectives` measures."""
    return tuple(objective.metric for objective in objectives(NOTHING, slos))
