"""Delta discovery on the wire: bytes to :class:`Request` and :class:`Response` to bytes."""

from __future__ import annotations

import time
from typing import Any

from workers.mesh import schema
from workers.mesh.delta import Request, Response
from workers.mesh.resource import Kind

METHOD = "DeltaAggregatedResources"
SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"

_KINDS = {kind.value: kind for kind in Kind}


def node_of(message: Any) -> str:
    """The node id that the first request of a stream carries; empty in the later ones."""
    node: str = message.node.id
    return node


def parse(data: bytes) -> Any:
    """A ``DeltaDiscoveryRequest``."""
    return schema.message("envoy.service.discovery.v3.DeltaDiscoveryRequest").FromString(data)


def request(message: Any) -> Request | None:
    """What the proxy says; None for a kind of resource that is not served here."""
    kind = _KINDS.get(message.type_url)
    if kind is None:
        return None
    return Request(
        kind=kind,
        subscribe=tuple(message.resource_names_subscribe),
        unsubscribe=tuple(message.resource_names_unsubscribe),
        initial=dict(message.initial_resource_versions),
        nonce=message.response_nonce,
        error=message.error_detail.message if message.HasField("error_detail") else None,
    )


def serialized(response: Response) -> bytes:
    """The ``DeltaDiscoveryResponse``. What expires gets the time that it has left from now."""
    message = schema.message("envoy.service.discovery.v3.DeltaDiscoveryResponse")(
        type_url=response.kind, nonce=response.nonce, removed_resources=response.removed
    )
    for sent in response.resources:
        entry = message.resources.add(name=sent.key.name, version=sent.version)
        entry.resource.type_url = response.kind
        entry.resource.value = sent.body
        if sent.expires is not None:
            entry.ttl.FromMilliseconds(max(1, round((sent.expires - time.monotonic()) * 1000)))
    data: bytes = message.SerializeToString()
    return data
