"""What Sternway remembers of a service's releases: one read, made before a plan is."""

from __future__ import annotations

from models.base import Frozen
from models.deployment import Deployment
from models.hold import RolledAway
from models.point import ProvenRelease


class Recollection(Frozen):
    """Of one service in one region. Everything is bounded, and newest first: it goes through the histories of workflows
    and into the journal, for each service that a trouble concerns."""

    points: tuple[ProvenRelease, ...] = ()
    """That may be chosen: the newest of each release."""
    holds: tuple[RolledAway, ...] = ()
    """That no person has lifted, also those that a newer release has ended."""
    deployments: tuple[Deployment, ...] = ()
    """As delivery systems told of them; the platform's own history comes with the service's state."""
    durations: dict[str, float] = {}
    """Seconds by strategy, 95th percentile: from the first step until traffic had left the bad release, where no person
    had to be waited for. Of the service in any region or, where it has too few, of all services. A strategy that is
    missing: not known."""
