"""What is predicted of services, what that puts at risk, and what is known of the models that predict."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from models.base import Frozen, Time

Probability = Annotated[float, Field(ge=0, le=1)]


class ModelStatus(StrEnum):
    """At most one version is current."""

    CHALLENGER = "challenger"
    """Learned, and not yet held against the current one."""
    CURRENT = "current"
    """The one that predicts."""
    FORMER = "former"
    """Was current, and is a way back."""
    REFUSED = "refused"
    """No better than the current one, or worse where it had taken its place."""


class Model(Frozen):
    """One version, without what serving it takes."""

    version: int
    created_at: Time
    training_digest: str
    status: ModelStatus
    because: str
    since: Time
    """When it got this status."""
    figures: dict[str, Any]
    """Of its validation."""


class Contribution(Frozen):
    """What one feature has to do with an alarm."""

    feature: str
    category: str
    value: float
    usual: float
    log_odds: float
    """By how much the feature moves the prediction, with everything else as it is."""
    sentence: str


class Alarm(Frozen):
    """A prediction that is worth an alarm, by the costs that the model was decided with."""

    id: str
    """``REGION/SERVICE/NUMBER`` of the interval: the same interval tried again raises no second one."""
    region: str
    service: str
    at: Time
    until: Time
    """The end of the horizon."""
    model: int
    probability: float
    """That a new incident begins within the horizon."""
    threshold: float
    contributions: tuple[Contribution, ...] = ()
    """Of features over all metrics, the strongest first."""
    metrics: tuple[Contribution, ...] = ()
    """Of metrics over all features, the strongest first: the same from another side, and not to be added."""


class Forecasts(Frozen):
    """What was predicted of a region's services in one interval."""

    region: str
    number: int
    """Of the interval, since 1970."""
    model: int | None
    """None: no model serves, for the reason that each service abstains with."""
    probabilities: dict[str, float]
    """By service; of the others nothing is predicted."""
    abstained: dict[str, str]
    """Why nothing is, by service."""
    alarms: tuple[Alarm, ...] = ()
    """Those that begin now; one that holds is not told again."""


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
