"""What a proxy is told: resources, each with a version that is the digest of its content.

A digest, because a control plane that was killed renders the same versions after its restart, and so a proxy that comes
back with them is sent nothing anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from workers.mesh import schema

_GOOGLE = "type.googleapis.com/"


class Kind(StrEnum):
    """The kinds of resources, in the order in which they are sent."""

    RUNTIME = _GOOGLE + "envoy.service.runtime.v3.Runtime"
    CLUSTER = _GOOGLE + "envoy.config.cluster.v3.Cluster"
    ENDPOINTS = _GOOGLE + "envoy.config.endpoint.v3.ClusterLoadAssignment"
    LISTENER = _GOOGLE + "envoy.config.listener.v3.Listener"
    ROUTES = _GOOGLE + "envoy.config.route.v3.RouteConfiguration"

    @property
    def message(self) -> str:
        return self.removeprefix(_GOOGLE)


class ResourceKey(NamedTuple):
    kind: Kind
    name: str


@dataclass(frozen=True)
class Resource:
    """One encoded resource. *expires*: when a proxy that hears nothing more drops it by itself, on the monotonic clock.

    *after_routes*: it takes something away that routes may still lead to, so an update of it follows theirs.
    """

    key: ResourceKey
    body: bytes
    version: str
    expires: float | None = None
    after_routes: bool = False


class Until(NamedTuple):
    """When a resource expires: on this process's monotonic clock, and as it was agreed, which outlives the process."""

    ends: float
    agreed: datetime


def resource(kind: Kind, name: str, body: Mapping[str, Any], until: Until | None = None) -> Resource:
    """Encode *body*. A resource that expires later is another version, so that its new time reaches the proxy."""
    encoded = schema.encode(kind.message, body)
    version = hashlib.sha256(encoded).hexdigest()[:16]
    if until is None:
        return Resource(ResourceKey(kind, name), encoded, version)
    return Resource(ResourceKey(kind, name), encoded, f"{version}@{until.agreed.timestamp():.3f}", until.ends)
