"""One service's resources for a region's Envoys. Pure: the same view gives the same bytes.

The constants took the failed requests of weight changes, drains and a region's death to none; ``docs`` and the tests
say which did what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.catalog import Service
from models.receipt import Fields
from workers.mesh import routing
from workers.mesh.endpoint import Endpoint
from workers.mesh.resource import Kind, Resource, resource

_EXTENSION = "type.googleapis.com/envoy.extensions."
_ADS: dict[str, Any] = {"ads": {}, "resource_api_version": "V3"}
_IDEMPOTENT = "GET|HEAD|OPTIONS|TRACE|PUT|DELETE"
"""RFC 9110, section 9.2.2."""
_BUFFER = 262144
"""Bytes that one connection may buffer; a request with a larger body is not retried."""


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

    def cluster(self, release: str) -> str:
        return f"{self.name}|{release}"

    @property
    def clusters(self) -> tuple[str, ...]:
        return tuple(self.cluster(r) for r in routing.releases(self.service, self.fields, self.found))


def render(view: ServiceView, fallback: ServiceView | None) -> tuple[Resource, ...]:
    """The service's clusters with their endpoints, its listener and its routes. *fallback* stands in when leased."""
    drained = routing.drained(view.fields, view.weights)
    clusters = [resource(Kind.CLUSTER, name, _cluster(name)) for name in view.clusters]
    endpoints = [
        resource(Kind.ENDPOINTS, view.cluster(release), _endpoints(view, release, release in drained))
        for release in routing.releases(view.service, view.fields, view.found)
    ]
    routes = resource(Kind.ROUTES, view.name, _routes(view, fallback))
    if view.service.port is None:
        return (*clusters, *endpoints)
    return (*clusters, *endpoints, resource(Kind.LISTENER, view.name, _listener(view, view.service.port)), routes)


def weight_key(service: str) -> str:
    """Runtime keys ``<this>.<cluster>`` outrank the weights of the routes."""
    return f"protection.{service}.weight"


def fallback_key(service: str) -> str:
    """The runtime key of the percentage that goes to the fallback."""
    return f"protection.{service}.fallback"


def _cluster(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": {**_ADS, "initial_fetch_timeout": "2s"}},
        "lb_policy": "LEAST_REQUEST",  # a replica that slows down gets less by itself
        "connect_timeout": "1s",
        "per_connection_buffer_limit_bytes": _BUFFER,
        # Too few healthy hosts must not bring the draining and the ejected ones back.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {
            "thresholds": [
                {
                    "priority": "DEFAULT",
                    "max_connections": 8192,
                    "max_pending_requests": 8192,
                    "max_requests": 8192,
                    # A fixed number of retries runs out exactly when a replica dies with many requests in flight.
                    "retry_budget": {"budget_percent": {"value": 25}, "min_retry_concurrency": 50},
                }
            ]
        },
        # From the start: added later it would be another cluster, and what was ejected would come back.
        "outlier_detection": {
            "split_external_local_origin_errors": True,
            "consecutive_5xx": 10,
            "consecutive_gateway_failure": 10,
            "enforcing_consecutive_gateway_failure": 100,
            "consecutive_local_origin_failure": 3,
            "enforcing_consecutive_local_origin_failure": 100,
            # Statistics over hosts that are all equally bad eject at random.
            "enforcing_success_rate": 0,
            "enforcing_local_origin_success_rate": 0,
            "interval": "1s",
            "base_ejection_time": "5s",
            "max_ejection_time": "60s",
            # A release that is bad everywhere keeps half of its hosts: ejecting all would fail its whole share.
            "max_ejection_percent": 50,
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _EXTENSION + "upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http_protocol_options": {}},
                # Under the 5 s after which uvicorn and Node close an idle connection: who closes first cannot lose one.
                "common_http_protocol_options": {"idle_timeout": "3s"},
            }
        },
    }


def _endpoints(view: ServiceView, release: str, drained: bool) -> dict[str, Any]:
    """The region's own replicas first; those of other regions take over when none of them is left."""
    localities: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for endpoint in sorted((e for e in view.endpoints if e.release == release), key=lambda e: e.id):
        host, _, port = endpoint.address.rpartition(":")
        place = (0 if endpoint.region == view.region else 1, endpoint.region)
        localities.setdefault(place, []).append(
            {
                "endpoint": {"address": {"socket_address": {"address": host, "port_value": int(port)}}},
                "health_status": "HEALTHY" if endpoint.ready and not drained else "DRAINING",
            }
        )
    return {
        "cluster_name": view.cluster(release),
        "endpoints": [
            {"locality": {"region": region}, "priority": priority, "lb_endpoints": hosts}
            for (priority, region), hosts in sorted(localities.items())
        ],
    }


def _listener(view: ServiceView, port: int) -> dict[str, Any]:
    connection_manager = {
        "@type": _EXTENSION + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": view.name,
        "rds": {"route_config_name": view.name, "config_source": {**_ADS, "initial_fetch_timeout": "2s"}},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": _EXTENSION + "filters.http.router.v3.Router"},
            }
        ],
        "use_remote_address": True,
        "normalize_path": True,
        "stream_idle_timeout": "60s",
        "server_header_transformation": "PASS_THROUGH",
    }
    return {
        "name": view.name,
        "address": {"socket_address": {"address": view.bind, "port_value": port}},
        "per_connection_buffer_limit_bytes": _BUFFER,
        # Shared ports would let two Envoys listen unseen, each with a part of the requests.
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [{"name": "envoy.http_connection_manager", "typed_config": connection_manager}]}],
    }


def _routes(view: ServiceView, fallback: ServiceView | None) -> dict[str, Any]:
    routes: list[dict[str, Any]] = []
    if fallback is not None:
        share = {
            "default_value": {"numerator": 0, "denominator": "HUNDRED"},
            "runtime_key": fallback_key(view.name),
        }
        routes += _both(fallback, {"prefix": "/", "runtime_fraction": share})
    routes += _both(view, {"prefix": "/"})
    return {"name": view.name, "virtual_hosts": [{"name": view.name, "domains": ["*"], "routes": routes}]}


def _both(view: ServiceView, match: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Two routes: what may be sent twice is retried after a reset, the rest only if it never left."""
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
    twice = {
        **match,
        "headers": [{"name": ":method", "string_match": {"safe_regex": {"regex": _IDEMPOTENT}}}],
    }
    return [
        {"match": twice, "route": {**action, "retry_policy": _retries("connect-failure,refused-stream,reset")}},
        {
            "match": dict(match),
            "route": {**action, "retry_policy": _retries("connect-failure,refused-stream,reset-before-request")},
        },
    ]


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
