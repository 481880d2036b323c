"""What workflows may ask of the analytics module: measure, judge and record."""

from __future__ import annotations

from datetime import timedelta

from activities.contract import Contract, WhenRegionIsSilent
from models.base import Frozen, Time
from models.journal import JournalEntry
from models.observation import Observation
from models.scope import Scope
from models.stage import Compare
from models.verdict import Verdict

OBSERVE_SECONDS = 1.5
"""A moment's look: long enough for two samples of every source. The gates look for longer."""


class ObserveRequest(Scope):
    seconds: float


class SoakRequest(Scope):
    arm: str
    """A release, or ``users``."""
    seconds: float
    extension: float
    """How much longer an inconclusive soak is watched."""
    min_requests: int


class CompareRequest(Scope):
    gate: Compare
    began_at: Time | None = None
    """When the trouble was first told of; none: no history is read."""
    deployed_at: Time | None = None
    """When the release that is rolled away from was deployed; none: that is not known."""


class JournalBatch(Frozen):
    entries: tuple[JournalEntry, ...]


# A look waits for a source that is away for a moment (activities.analytics.sampling), and has two slow answers to get.
OBSERVE = Contract("analytics.observe.v1", ObserveRequest, Observation, timeout=timedelta(seconds=30))
SOAK = Contract("analytics.soak.v1", SoakRequest, Verdict, timeout=timedelta(hours=6))
COMPARE = Contract("analytics.compare.v1", CompareRequest, Verdict, timeout=timedelta(hours=6))
RECORD = Contract(
    "analytics.record.v1",
    JournalBatch,
    int,
    timeout=timedelta(seconds=10),
    attempts=0,
    when_silent=WhenRegionIsSilent.SKIP,
)
"""Retried for ever: a store that is down delays the record, never the recovery."""
