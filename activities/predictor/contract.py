"""What workflows may ask of the predictor."""

from __future__ import annotations

from datetime import timedelta

from activities.contract import Contract, WhenRegionIsSilent
from models.assessment import Projection
from models.base import Frozen
from models.incident import Impact
from models.observation import Observation
from models.prediction import Alarm, Forecasts, Model
from models.prevention_run import PreventionStart
from models.scope import Scope


class ProjectRequest(Scope):
    observation: Observation | None
    impact: Impact | None
    """Stated by whoever started the incident; otherwise the catalog's."""


PROJECT = Contract(
    "predictor.project.v1",
    ProjectRequest,
    Projection,
    timeout=timedelta(seconds=5),
    attempts=2,
    when_silent=WhenRegionIsSilent.SKIP,
)


class RegionRequest(Frozen):
    """All services of one region, by one catalog."""

    region: str
    catalog: str
    """Digest."""


class PredictRequest(RegionRequest):
    number: int
    """Of the interval that was measured."""


class Measured(Frozen):
    """One interval of a region's services."""

    number: int
    """Of the interval, since 1970."""
    services: int
    missing: dict[str, str]
    """Services of which there is no sample, and why."""


class Settled(Frozen):
    """Of the alarms whose horizon was over, so that it is known now what became of them."""

    region: str
    came_true: int
    in_vain: int


class AdviseRequest(Frozen):
    catalog: str
    """Digest."""
    alarm: Alarm


class Advice(Frozen):
    start: PreventionStart | None
    """What the prevention begins with; none where the service's policy has no ``prevention``."""


MEASURE = Contract("predictor.measure.v1", RegionRequest, Measured, timeout=timedelta(seconds=30), attempts=3)
"""Tried again in the same interval, it finds what it has kept."""

PREDICT = Contract("predictor.predict.v1", PredictRequest, Forecasts, timeout=timedelta(minutes=5), attempts=3)
"""The first one of a process reads what its features remember, which takes a while."""

ADVISE = Contract("predictor.advise.v1", AdviseRequest, Advice, timeout=timedelta(minutes=1), attempts=35)
"""For about a minute: a control plane that is away for a while must not cost the prevention."""

SETTLE = Contract("predictor.settle.v1", RegionRequest, Settled, timeout=timedelta(seconds=30), attempts=3)


class LearningRequest(Frozen):
    """Of all services, by the catalog of whoever learns."""


class Examined(Frozen):
    """How the current version has done."""

    version: int | None
    """None: nothing predicts yet."""
    go_back: str | None
    """Why the version before should predict again; none where it should not."""
    learn: str | None
    """Why there should be a new version; none where there need not be."""
    drifted: tuple[str, ...] = ()
    """Features that are lately spread otherwise than in training, the most first. It may do no harm: a reason for a
    person to look, and none to learn."""


class Learned(Frozen):
    """What learning anew has come to."""

    version: int | None
    """Of the challenger; none where nothing can be learned from what is known."""
    better: bool
    """Whether it is to predict from now on."""
    because: str


class VersionRequest(Frozen):
    version: int
    because: str


EXAMINE = Contract("predictor.examine.v1", LearningRequest, Examined, timeout=timedelta(minutes=30), attempts=3)
LEARN = Contract("predictor.learn.v1", LearningRequest, Learned, timeout=timedelta(hours=6), attempts=3)
PROMOTE = Contract("predictor.promote.v1", VersionRequest, Model, timeout=timedelta(seconds=30), attempts=0)
REFUSE = Contract("predictor.refuse.v1", VersionRequest, Model, timeout=timedelta(seconds=30), attempts=0)
