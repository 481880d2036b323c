"""A service's routes: shares of its releases, what is copied, its fallback's share, and what is tried again. Pure.

Protection outranks the shares through runtime keys, so that the routes do not change with a lease.

Envoy draws one random number for a request and takes all decisions on it. Were each its remainder by 100, they would
be one decision: half to the fallback and a tenth to the target would leave the target nothing. So each looks at two
digits of its own: the release at the last two, the fallback at the two before, and a copy at the two before those.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workers.mesh.view import ServiceView

_EXTENSION = "type.googleapis.com/envoy.extensions."
_IDEMPOTENT = "GET|HEAD|OPTIONS|TRACE|PUT|DELETE"
"""RFC 9110, section 9.2.2."""
_COPIED = "GET"
"""What may be sent twice although both take effect, as it asks for none."""


def weight_key(service: str) -> str:
    """Runtime keys ``<this>.<cluster>`` outrank the weights of the routes."""
    return f"protection.{service}.weight"


def fallback_key(service: str) -> str:
    """The runtime key of the percentage that goes to the fallback."""
    return f"protection.{service}.fallback"


def to_fallback(percent: int) -> dict[str, Any]:
    """The share of the fallback. As a number in the runtime layer it would be taken for hundredths."""
    return {"numerator": percent * 100, "denominator": "TEN_THOUSAND"}


def routes(view: ServiceView, fallback: ServiceView | None) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    if fallback is not None:
        share = {
            "default_value": to_fallback(0),
            "runtime_key": fallback_key(view.name),
        }
        # What another service answers in its place is copied to nobody: protection sheds load.
        found += _routes(fallback, {"prefix": "/", "runtime_fraction": share}, {})
    found += _routes(view, {"prefix": "/"}, view.mirrored)
    return {"name": view.name, "virtual_hosts": [{"name": view.name, "domains": ["*"], "routes": found}]}


def _routes(view: ServiceView, match: Mapping[str, Any], mirrored: Mapping[str, int]) -> list[dict[str, Any]]:
    """What may be sent twice is retried after a reset, the rest only if it never left. *mirrored*: percent by release
    that gets copies."""
    weights = view.weights
    if not sum(weights.values()):
        body = {"inline_string": f"no release of {view.name} is routed\n"}
        return [{"match": dict(match), "direct_response": {"status": 503, "body": body}}]
    action: dict[str, Any] = {
        "timeout": "15s",
        "weighted_clusters": {
            "runtime_key_prefix": weight_key(view.name),
            "clusters": [{"name": view.cluster(release), "weight": weight} for release, weight in weights.items()],
        },
    }
    twice = {**action, "retry_policy": _retries("connect-failure,refused-stream,reset")}
    once = {**action, "retry_policy": _retries("connect-failure,refused-stream,reset-before-request")}
    copied = {**twice, "request_mirror_policies": [_copies(view.cluster(r), p) for r, p in mirrored.items()]}
    return [
        *([{"match": _of(_COPIED, match), "route": copied}] if mirrored else []),
        {"match": _of(_IDEMPOTENT, match), "route": twice},
        {"match": dict(match), "route": once},
    ]


def _of(methods: str, match: Mapping[str, Any]) -> dict[str, Any]:
    return {**match, "headers": [{"name": ":method", "string_match": {"safe_regex": {"regex": methods}}}]}


def _copies(cluster: str, percent: int) -> dict[str, Any]:
    """Sent once, beside the request, and never retried; what becomes of them is seen in the cluster's statistics alone.

    *percent* of 0 would be taken for all of them.
    """
    return {
        "cluster": cluster,
        "runtime_fraction": {"default_value": {"numerator": percent * 10_000, "denominator": "MILLION"}},
        # A host that nobody has heard of is answered with 400 by many a release, which shows nothing of it.
        "disable_shadow_host_suffix_append": True,
    }


def _retries(on: str) -> dict[str, Any]:
    """A release's own answer, 5xx included, is never retried: it is evidence, and retrying it multiplies the load."""
    return {
        "retry_on": on,
        "num_retries": 3,
        "retry_back_off": {"base_interval": "0.010s", "max_interval": "0.100s"},
        "host_selection_retry_max_attempts": 5,
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {"@type": _EXTENSION + "retry.host.previous_hosts.v3.PreviousHostsPredicate"},
            }
        ],
        "retry_priority": {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {
                "@type": _EXTENSION + "retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
                "update_frequency": 2,
            },
        },
    }
