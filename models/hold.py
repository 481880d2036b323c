"""Release holds: what was rolled away from is not gone back to until a person, or another soak of it, says otherwise.

A newer release ends the hold itself, for the service has moved on. It proves nothing of the release that failed.
"""

from __future__ import annotations

from models.base import Frozen, Name, Release, Time
from models.plan import ServiceRollback

STERNWAY = "Sternway"
"""Who holds, and who ends a hold for a newer release. No person lifts one by this name."""


class RolledAway(Frozen):
    """What a plan needs of a hold: which release was rolled away from, when, and by which incident."""

    release: Release
    since: Time
    incident: str
    """Its journal has the hold, and the lifting."""


class HeldRelease(Frozen):
    """What the journal's kind ``release-held`` says: recorded when a rollback is done."""

    service: Name
    region: Name
    release: Release
    by: str
    reason: str


class Hold(HeldRelease, RolledAway):
    """A hold as it is kept."""

    lifted_at: Time | None = None
    """None: in force, as far as the store knows."""
    lifted_by: str | None = None
    """A person; or :data:`STERNWAY`, for a newer release."""
    lifted_reason: str | None = None

    @property
    def stands(self) -> bool:
        """Whether it still speaks against its release: no person has lifted it."""
        return self.lifted_by in (None, STERNWAY)


def rolled_away(rollback: ServiceRollback) -> HeldRelease:
    """The hold on the release that *rollback* has gone away from."""
    return HeldRelease(
        service=rollback.state.service,
        region=rollback.state.region,
        release=rollback.bad,
        by=STERNWAY,
        reason=f"rolled back to {rollback.target} ({rollback.strategy})",
    )
