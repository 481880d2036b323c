"""Where replicas answer, as the platform's agents tell it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from models.base import Frozen


class Endpoint(Frozen):
    """One replica that takes requests, or has just stopped taking them."""

    id: str
    region: str
    service: str
    release: str
    address: str
    """``host:port``."""
    status: Literal["ready", "draining"]

    @property
    def ready(self) -> bool:
        return self.status == "ready"


def ready_releases(endpoints: tuple[Endpoint, ...]) -> frozenset[str]:
    """The releases that can answer at least one request now."""
    return frozenset(e.release for e in endpoints if e.ready)


def by_service(known: Iterable[tuple[Endpoint, ...]]) -> dict[str, tuple[Endpoint, ...]]:
    """What several agents know, told apart by service."""
    found: dict[str, list[Endpoint]] = {}
    for endpoint in (e for endpoints in known for e in endpoints):
        found.setdefault(endpoint.service, []).append(endpoint)
    return {service: tuple(endpoints) for service, endpoints in found.items()}
