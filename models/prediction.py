"""Predictions as they cross boundaries: how likely trouble is, what speaks for it, and what it would cost."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.base import Frozen

Probability = Annotated[float, Field(ge=0, le=1)]


class Evidence(Frozen):
    """One golden signal's part in a prediction."""

    metric: str
    """As telemetry calls it: ``memory_share``."""
    weight: Annotated[float, Field(ge=0)]
    """How much it has added to the prediction, in any one unit."""
    rising: bool
    """Whether it is higher than usual, or on its way to be."""


class Estimate(Frozen):
    """A figure, and between what it lies in eight of ten cases."""

    expected: float
    low: float
    high: float


class Risk(Frozen):
    """What is at stake with one prediction. What is not known is none, with the reason in words, and never zero."""

    service: str
    region: str
    probability: Probability
    """Of a new incident within the prediction's horizon."""
    loss: Estimate | None
    """US dollars that an incident would cost at the traffic of now, once it comes."""
    revenue: Estimate | None
    """US dollars: the probability times that loss."""
    revenue_per_minute: float | None
    """US dollars: what the service earns at the traffic of now."""
    customers: Estimate | None
    """The probability times how many would not be served."""
    source: Literal["catalog", "tier-default"] | None
    """Where the revenue is known from; none where it is not."""
    age: float | None
    """Seconds since the traffic was measured; none where it was not."""
    unknown: tuple[str, ...]
    """Why figures are missing; empty where none is."""
    sentence: str
