"""What workflows may ask of the propagation module."""

from __future__ import annotations

from datetime import timedelta

from activities.contract import Contract, WhenRegionIsSilent
from models.assessment import Spread
from models.scope import Scope

SPREAD = Contract(
    "propagation.spread.v1",
    Scope,
    Spread,
    timeout=timedelta(seconds=30),
    attempts=2,
    when_silent=WhenRegionIsSilent.SKIP,
)
