"""What the leases make of a region, as one runtime layer of Envoy. Pure.

All protection goes through the runtime layer, because a layer can carry its own end: when nobody is left to lift it,
the proxy drops it by itself. The earliest lease decides, so that none lasts longer than was agreed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from models.catalog import FallbackAction, LimitAction, RetriesAction, WeightAction
from workers.mesh import routing
from workers.mesh.endpoint import ready_releases
from workers.mesh.render import FEWEST_RETRIES, RETRY_PERCENT
from workers.mesh.resource import Kind, Resource, Until, resource
from workers.mesh.routes import fallback_key, to_fallback, weight_key
from workers.mesh.terms import Term
from workers.mesh.view import ServiceView

Action = TypeVar("Action", LimitAction, RetriesAction, FallbackAction, WeightAction)

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
    values: dict[str, Any] = {}
    if limits := _counting(LimitAction, terms):
        strictest = min(limit.max_requests for limit, _ in limits)
        values.update({f"{_breakers(cluster)}.max_requests": strictest for cluster in view.clusters})
    if cuts := _counting(RetriesAction, terms):
        for cluster in view.clusters:
            values.update(_retry_budget(cluster, min(cuts, key=lambda cut: cut[0].max_percent)))
    if shares := _counting(FallbackAction, terms):
        values[fallback_key(view.name)] = to_fallback(max(action.share for action, _ in shares))
    if caps := [(action, term.newest) for action, term in _counting(WeightAction, terms) if term.newest]:
        cap, newest = min(caps, key=lambda cap: cap[0].max_percent)
        capped = routing.capped(view.weights, newest, cap.max_percent, ready_releases(view.endpoints))
        # Written even where the cap changes nothing: otherwise a change of the weights would show the old ones
        # for the moment between the layer's update and the routes'.
        values.update({f"{weight_key(view.name)}.{view.cluster(r)}": share for r, share in capped.items()})
    return values


def _counting(kind: type[Action], terms: Sequence[Term]) -> list[tuple[Action, Term]]:
    """The protections of a kind that count: a person's where there are any, whatever else there is."""
    found = [(p, term) for term in terms if isinstance(p := term.lease.protection, kind)]
    return [one for one in found if one[1].lease.override] or found


def _retry_budget(cluster: str, cut: tuple[RetriesAction, Term]) -> dict[str, Any]:
    """Only a person may allow more retries than there are without a lease. Of few requests a share would be none."""
    percent = cut[0].max_percent if cut[1].lease.override else min(cut[0].max_percent, RETRY_PERCENT)
    fewest = FEWEST_RETRIES if percent >= RETRY_PERCENT else min(percent, 1)
    budget = f"{_breakers(cluster)}.retry_budget"
    return {f"{budget}.budget_percent": percent, f"{budget}.min_retry_concurrency": fewest}


def _breakers(cluster: str) -> str:
    return f"circuit_breakers.{cluster}.default"
