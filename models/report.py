"""What an application says when it reports trouble itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from models.alert import Severity
from models.base import Frozen
from models.catalog import Level
from models.incident import Coordination, Modules


class StatedImpact(Frozen):
    """What the trouble costs, as the application knows it."""

    revenue_per_minute: Annotated[float, Field(ge=0)]
    """In US dollars."""
    customers: Annotated[int, Field(ge=0)]


class IncidentReport(Frozen):
    """The body of ``POST /v1/incidents``."""

    service: str
    region: str | None = None
    """May be left out where the service lives in exactly one."""
    reason: Annotated[str, Field(min_length=1, max_length=1000)]
    severity: Severity = Severity.CRITICAL
    level: Level | None = None
    """None: as far as the service's policy allows. More than that is reduced to it, and the answer says so."""
    coordination: Coordination = Coordination.ADAPTIVE
    impact: StatedImpact | None = None
    """None: assessed from the catalog."""
    modules: Modules = Modules()
