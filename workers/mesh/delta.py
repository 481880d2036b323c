"""One delta xDS conversation with one proxy: what it asked for, what it was sent, what it confirmed. Pure.

The order makes an update safe: runtime, clusters and their endpoints at once, listeners and routes when the clusters
are confirmed, and endpoints drain and clusters are removed when nothing routes to them any more. Envoy withholds its
confirmation of a cluster until the endpoints are there, so endpoints never wait for clusters; and a cluster that is
modified warms again and needs its endpoints again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from workers.mesh.resource import Kind, Resource, ResourceKey

_WILDCARD = "*"
_BEFORE = frozenset({Kind.RUNTIME, Kind.CLUSTER, Kind.ENDPOINTS})
"""Sent at once; what comes after them waits until clusters and endpoints are confirmed."""


@dataclass(frozen=True)
class Request:
    """One ``DeltaDiscoveryRequest``. *error* is set when the response *nonce* was rejected."""

    kind: Kind
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial: Mapping[str, str] = field(default_factory=dict[str, str])
    nonce: str = ""
    error: str | None = None


@dataclass(frozen=True)
class Response:
    kind: Kind
    nonce: str
    resources: tuple[Resource, ...]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rejection:
    """The proxy refused these versions and keeps what it had."""

    versions: Mapping[ResourceKey, str]
    error: str


@dataclass
class _Subscription:
    wildcard: bool = False
    names: set[str] = field(default_factory=set[str])
    sent: dict[str, str] = field(default_factory=dict[str, str])
    confirmed: dict[str, str] = field(default_factory=dict[str, str])
    outstanding: dict[str, Response] = field(default_factory=dict[str, Response])

    def wants(self, name: str) -> bool:
        return self.wildcard or name in self.names


class Conversation:
    """The state of one stream. Feed it requests and the served resources; send what :meth:`due` answers."""

    def __init__(self) -> None:
        self._subscriptions: dict[Kind, _Subscription] = {}
        self._nonce = 0

    def receive(self, request: Request) -> tuple[Resource, ...] | Rejection:
        """Take in what the proxy says: the resources that it confirms with it, often none, or its rejection."""
        first = request.kind not in self._subscriptions
        subscription = self._subscriptions.setdefault(request.kind, _Subscription())
        if first:
            subscription.wildcard = not request.subscribe
            subscription.sent.update(request.initial)
            subscription.confirmed.update(request.initial)
        for name in request.subscribe:
            if name == _WILDCARD:
                subscription.wildcard = True
            else:
                subscription.names.add(name)
                if name not in request.initial:
                    subscription.sent.pop(name, None)
        for name in request.unsubscribe:
            subscription.names.discard(name)
            subscription.sent.pop(name, None)
            subscription.confirmed.pop(name, None)
        response = subscription.outstanding.pop(request.nonce, None)
        if response is None:
            return ()
        if request.error is not None:
            return _rejected(subscription, response, request.error)
        subscription.confirmed.update({r.key.name: r.version for r in response.resources})
        for name in response.removed:
            subscription.confirmed.pop(name, None)
        return response.resources

    def confirmed(self, key: ResourceKey) -> str | None:
        """The version of *key* that the proxy has said it uses."""
        subscription = self._subscriptions.get(key.kind)
        return subscription.confirmed.get(key.name) if subscription else None

    def due(self, served: Mapping[Kind, Mapping[str, Resource]]) -> list[Response]:
        """What is to be sent now, in order. Each answer counts as sent."""
        responses: list[Response] = []
        for kind in Kind:
            subscription = self._subscriptions.get(kind)
            if subscription is None or (kind not in _BEFORE and self._busy(Kind.CLUSTER, Kind.ENDPOINTS)):
                continue
            wanted = served[kind]
            changed = tuple(
                r
                for name, r in wanted.items()
                if subscription.wants(name)
                and subscription.sent.get(name) != r.version
                and not (r.after_routes and name in subscription.sent and self._rerouting(served))
            )
            removed = _absent(subscription, wanted) if kind is Kind.LISTENER else ()
            if changed or removed:
                responses.append(self._send(subscription, kind, changed, removed))
        clusters = self._subscriptions.get(Kind.CLUSTER)
        if clusters and not self._busy(*Kind) and (removed := _absent(clusters, served[Kind.CLUSTER])):
            responses.append(self._send(clusters, Kind.CLUSTER, (), removed))
        return responses

    def _send(
        self, subscription: _Subscription, kind: Kind, changed: tuple[Resource, ...], removed: tuple[str, ...]
    ) -> Response:
        self._nonce += 1
        if kind is Kind.CLUSTER and (endpoints := self._subscriptions.get(Kind.ENDPOINTS)):
            for modified in changed:
                endpoints.sent.pop(modified.key.name, None)
        subscription.sent.update({r.key.name: r.version for r in changed})
        for name in removed:
            del subscription.sent[name]
        response = Response(kind, str(self._nonce), changed, removed)
        subscription.outstanding[response.nonce] = response
        return response

    def _rerouting(self, served: Mapping[Kind, Mapping[str, Resource]]) -> bool:
        """Whether routes are still to be sent or confirmed: until then requests go where they went before."""
        routes = self._subscriptions.get(Kind.ROUTES)
        if routes is None:
            return bool(served[Kind.ROUTES])
        return bool(routes.outstanding) or any(
            routes.wants(name) and routes.sent.get(name) != r.version for name, r in served[Kind.ROUTES].items()
        )

    def _busy(self, *kinds: Kind) -> bool:
        return any(s.outstanding for kind, s in self._subscriptions.items() if kind in kinds)


class ForNewcomers(Conversation):
    """Says nothing to a proxy that has resources already: what it has is newer than what this side knows."""

    def __init__(self) -> None:
        super().__init__()
        self._silent = False

    def receive(self, request: Request) -> tuple[Resource, ...] | Rejection:
        self._silent |= bool(request.initial)
        return super().receive(request)

    def due(self, served: Mapping[Kind, Mapping[str, Resource]]) -> list[Response]:
        return [] if self._silent else super().due(served)


def _absent(subscription: _Subscription, wanted: Mapping[str, Resource]) -> tuple[str, ...]:
    """What was sent and is wanted no more. Endpoints and routes end with the cluster or listener that wanted them."""
    return tuple(name for name in subscription.sent if name not in wanted)


def _rejected(subscription: _Subscription, response: Response, error: str) -> Rejection:
    """Envoy names the culprits in its message; the others of the same response are sent again without them."""
    culprits = _named(error, response.resources) or response.resources
    for innocent in set(response.resources) - set(culprits):
        subscription.sent.pop(innocent.key.name, None)
    return Rejection({r.key: r.version for r in culprits}, error)


def _named(error: str, resources: Iterable[Resource]) -> tuple[Resource, ...]:
    return tuple(r for r in resources if re.search(rf"(?<![\w|.-]){re.escape(r.key.name)}(?!\.?[\w|-])", error))
