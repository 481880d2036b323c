"""All that the resources of one service depend on, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from models.catalog import Service
from models.receipt import Fields
from workers.mesh import routing
from workers.mesh.endpoint import Endpoint


@dataclass(frozen=True)
class ServiceView:
    """All that a service's resources depend on. *endpoints* are those of every region."""

    name: str
    service: Service
    region: str
    bind: str
    fields: Fields
    endpoints: tuple[Endpoint, ...]

    @property
    def found(self) -> frozenset[str]:
        return frozenset(e.release for e in self.endpoints)

    @property
    def weights(self) -> dict[str, int]:
        """Shares by release that are wanted, protection left aside."""
        return routing.weights(self.service, self.fields, self.found)

    @property
    def mirrored(self) -> dict[str, int]:
        """Percent of the GET requests that are copied, by release."""
        return routing.mirrored(self.fields)

    def cluster(self, release: str) -> str:
        return f"{self.name}|{release}"

    @property
    def clusters(self) -> tuple[str, ...]:
        return tuple(self.cluster(r) for r in routing.releases(self.service, self.fields, self.found))
