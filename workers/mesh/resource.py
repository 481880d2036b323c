"""What a proxy is told: resources, each with a version that is the digest of its content.

A digest, because a control plane that was killed renders the same versions after its restart, and so a proxy that comes
back with them is sent nothing anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
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
    """One encoded resource. *expires*: the epoch second at which a proxy that hears nothing more drops it by itself.

    *after_routes*: it takes something away that routes may still lead to, so an update of it follows theirs.
    """

    key: ResourceKey
    body: bytes
    version: str
    expires: float | None = None
    after_routes: bool = False


def resource(kind: Kind, name: str, body: Mapping[str, Any], expires: float | None = None) -> Resource:
    """Encode *body*. A resource that expires later is another version, so that its new time reaches the proxy."""
    encoded = schema.encode(kind.message, body)
    version = hashlib.sha256(encoded).hexdigest()[:16]
    return Resource(ResourceKey(kind, name), encoded, f"{version}@{expires:.3f}" if expires else version, expires)
