"""What is predicted of services, what that puts at risk, and what is known of the models that predict."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from models.base import Frozen, Time


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
    """The strongest first."""


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
