"""What was measured of a service, and what the catalog's objectives make of it."""

from __future__ import annotations

from models.base import Frozen
from models.telemetry import WindowReading
from models.verdict import Verdict


class Observation(Frozen):
    """One window of counts, and the verdict on each arm of it."""

    window: WindowReading
    verdicts: dict[str, Verdict]
    """By arm; empty where there are no data."""
