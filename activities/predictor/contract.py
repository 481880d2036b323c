"""What workflows may ask of the predictor."""

from __future__ import annotations

from datetime import timedelta

from activities.contract import Contract, WhenRegionIsSilent
from models.assessment import Projection
from models.incident import Impact
from models.observation import Observation
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
