"""What the prevention workflow may ask beside the changes themselves."""

from __future__ import annotations

from datetime import timedelta

from activities.contract import Contract, WhenRegionIsSilent
from models.base import Frozen, Time
from models.prevention import Action
from models.prevention_run import Measures
from models.scope import Scope


class MeasuresRequest(Scope):
    action: Action
    dollars: float
    """Its expected cost."""
    because: str
    """For people, and for the guards that are told of it."""


class RaiseRequest(Scope):
    decided_at: Time
    """The same for each attempt."""
    because: str


class Running(Frozen):
    """Whether an incident of the service runs."""

    workflow: str | None
    """Its workflow id."""


class Raised(Frozen):
    alert: int
    """Row of the alert; the gateway begins its incident, or gives it to the one that runs."""


MEASURES = Contract(
    "prevention.measures.v1",
    MeasuresRequest,
    Measures,
    timeout=timedelta(seconds=20),
    attempts=3,
    when_silent=WhenRegionIsSilent.SKIP,
)
INCIDENT = Contract(
    "prevention.incident.v1",
    Scope,
    Running,
    timeout=timedelta(seconds=10),
    attempts=3,
    when_silent=WhenRegionIsSilent.SKIP,
)
RAISE = Contract(
    "prevention.raise.v1",
    RaiseRequest,
    Raised,
    timeout=timedelta(seconds=10),
    attempts=5,
    when_silent=WhenRegionIsSilent.SKIP,
)
