"""What the modules make of a trouble: who suffers with it, what it costs, and what happens if nothing is done."""

from __future__ import annotations

from typing import Literal

from models.base import Frozen
from models.incident import Impact
from models.observation import Observation
from models.survey import Survey
from models.verdict import Finding


class Dependant(Frozen):
    """A service that calls the troubled one directly, and whether it suffers now."""

    service: str
    tier: int
    impact: Impact
    health: Finding
    """By its own objectives on its callers' counts; inconclusive without data."""


class Spread(Frozen):
    """The direct dependants of the troubled service, those worth most first."""

    dependants: tuple[Dependant, ...]
    sentence: str


class Projection(Frozen):
    """What happens if the error budget goes on burning at this rate."""

    kind: Literal["budget-burn"] = "budget-burn"
    burn_rate: float | None
    """Multiples of the rate that would just use the budget up in its period; none without data."""
    budget_minutes: float | None
    """Minutes until a full budget is used up at this rate; none where nothing burns or nothing is known."""
    loss_per_minute: float | None = None
    """US dollars: the service's revenue a minute times the share of failed requests; none without data. Slow answers
    are taken to earn what fast ones do."""
    impact: Impact
    sentence: str


class Assessment(Frozen):
    """Together, for the plan and the report. A module that is switched off or silent leaves its place empty."""

    observation: Observation | None = None
    spread: Spread | None = None
    projection: Projection | None = None
    survey: Survey | None = None

    @property
    def impact(self) -> Impact | None:
        return self.projection.impact if self.projection else None
