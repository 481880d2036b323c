"""What an application installs to talk to Sternway. It depends on nothing but the standard library."""

from sternway_guard.incidents import (
    Impact,
    IncidentClient,
    Modules,
    Report,
    StartedIncident,
    SternwayRefused,
    SternwayUnavailable,
)

__all__ = [
    "Impact",
    "IncidentClient",
    "Modules",
    "Report",
    "StartedIncident",
    "SternwayRefused",
    "SternwayUnavailable",
]
