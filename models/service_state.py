"""One service in one region as mesh and platform have it: what a plan is made for."""

from __future__ import annotations

from datetime import datetime

from models.base import Frozen, Percent
from models.deployment import Deployment
from models.digest import digest


class ServiceState(Frozen):
    """One service in one region as it was read: what a plan is made for, and what undoing goes back to."""

    region: str
    service: str
    weights: dict[str, Percent]
    """By release; they sum to 100, or to 0 where nothing is routed."""
    mesh_generation: int
    replicas: dict[str, int]
    """Wanted, by release."""
    ready: dict[str, int]
    """Ready to serve, by release."""
    platform_generation: int
    deployments: tuple[Deployment, ...] = ()
    """Newest first."""
    runnable: tuple[str, ...] | None = None
    """The releases that the platform knows how to run; none: it cannot say."""
    room: int | None = None
    """Replicas of all releases that there is room for; none: taken to be enough."""

    def deployed_at(self, release: str) -> datetime | None:
        """When *release* was deployed last; none where nobody knows."""
        return next((one.at for one in self.deployments if one.release == release), None)

    def fingerprint(self) -> str:
        """Digest of what a plan relies on. Readiness moves by itself and is checked by stages instead;
        a release that cannot be run is refused by the platform."""
        return digest(self.model_dump(mode="json", exclude={"ready", "deployments", "runnable"}))
