"""What the leases make of a region, as one runtime layer of Envoy. Pure.

All protection goes through the runtime layer, because a layer can carry its own end: when nobody is left to lift it,
the proxy drops it by itself. The earliest lease decides, so that none lasts longer than was agreed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.catalog import FallbackAction
from workers.mesh import routing
from workers.mesh.endpoint import ready_releases
from workers.mesh.resource import Kind, Resource, Until, resource
from workers.mesh.routes import fallback_key, to_fallback, weight_key
from workers.mesh.terms import Term
from workers.mesh.view import ServiceView

LAYER = "protection"
GRACE = 2.0
"""Seconds after a lease's end at which a proxy that hears nothing lifts the protection itself."""


def layer(terms: Sequence[Term], views: Mapping[str, ServiceView]) -> Resource:
    """The runtime layer for the leases in force; the strictest of a service's leases counts."""
    by_service: dict[str, list[Term]] = {}
    for term in terms:
        by_service.setdefault(term.lease.service, []).append(term)
    values: dict[str, Any] = {}
    for name, held in sorted(by_service.items()):
        if name in views:
            values.update(_values(views[name], held))
    first = min(terms, key=lambda term: term.ends, default=None)
    until = Until(first.ends + GRACE, first.lease.expires_at) if first else None
    return resource(Kind.RUNTIME, LAYER, {"name": LAYER, "layer": values}, until)


def _values(view: ServiceView, terms: Sequence[Term]) -> dict[str, Any]:
    protections = [term.lease.protection for term in terms if term.lease.protection]
    values: dict[str, Any] = {}
    if limit := routing.strictest_limit(protections):
        values.update({f"circuit_breakers.{c}.default.max_requests": limit for c in view.clusters})
    if (percent := routing.strictest_retries(protections)) is not None:
        budget = {"budget_percent": percent, "min_retry_concurrency": 0}
        values.update(
            {f"circuit_breakers.{c}.default.retry_budget.{k}": v for c in view.clusters for k, v in budget.items()}
        )
    if shares := [p.share for p in protections if isinstance(p, FallbackAction)]:
        values[fallback_key(view.name)] = to_fallback(max(shares))
    if cap := routing.strictest_cap([(term.lease.protection, term.newest) for term in terms if term.lease.protection]):
        capped = routing.capped(view.weights, *cap, ready_releases(view.endpoints))
        # Written even where the cap changes nothing: otherwise a change of the weights would show the old ones
        # for the moment between the layer's update and the routes'.
        values.update({f"{weight_key(view.name)}.{view.cluster(r)}": share for r, share in capped.items()})
    return values
