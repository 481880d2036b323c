"""One service's resources for a region's Envoys. Pure: the same view gives the same bytes.

The constants took the failed requests of weight changes, drains and a region's death to none; ``docs`` and the tests
say which did what.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

from workers.mesh import routing
from workers.mesh.endpoint import Endpoint
from workers.mesh.resource import Kind, Resource, resource
from workers.mesh.routes import routes
from workers.mesh.view import ServiceView

_EXTENSION = "type.googleapis.com/envoy.extensions."
_ADS: dict[str, Any] = {"ads": {}, "resource_api_version": "V3"}
_REMEMBERED = 8192
RETRY_PERCENT, FEWEST_RETRIES = 25, 50
"""Of the requests in flight to a release, that may be retries, and how many always may."""
_BUFFER = 262144
"""Bytes that one connection may buffer; a request with a larger body is not retried."""


def render(view: ServiceView, fallback: ServiceView | None) -> tuple[Resource, ...]:
    """The service's clusters with their endpoints, its listener and its routes. *fallback* stands in when leased."""
    drained = routing.drained(view.fields, view.weights)
    clusters = [_cluster(name) for name in view.clusters]
    endpoints = [
        _endpoints(
            view.cluster(release),
            view.region,
            tuple(sorted((e for e in view.endpoints if e.release == release), key=lambda e: e.id)),
            release in drained,
        )
        for release in routing.releases(view.service, view.fields, view.found)
    ]
    if view.service.port is None:
        return (*clusters, *endpoints)
    listener = _listener(view.name, view.bind, view.service.port)
    return (*clusters, *endpoints, listener, resource(Kind.ROUTES, view.name, routes(view, fallback)))


# What did not change is not encoded again: encoding is most of the work of an update.
@lru_cache(_REMEMBERED)
def _cluster(name: str) -> Resource:
    body: dict[str, Any] = {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": {**_ADS, "initial_fetch_timeout": "2s"}},
        "lb_policy": "LEAST_REQUEST",  # a replica that slows down gets less by itself
        # A replica that has just become ready is cold. At first it gets a tenth of what the others of its release get.
        # Of requests to two warm replicas and two cold ones, 1% took over 70 ms instead of over 330 to 450.
        "least_request_lb_config": {"slow_start_config": {"slow_start_window": "5s"}},
        "connect_timeout": "1s",
        "per_connection_buffer_limit_bytes": _BUFFER,
        # Too few healthy hosts must not bring the draining and the ejected ones back.
        "common_lb_config": {
            "healthy_panic_threshold": {"value": 0},
            # Envoy keeps changes of health back for up to a second by default, after it has confirmed them: a release
            # that is admitted again would get its share while its endpoints still drain.
            "update_merge_window": "0s",
        },
        "circuit_breakers": {
            "thresholds": [
                {
                    "priority": "DEFAULT",
                    "max_connections": 8192,
                    "max_pending_requests": 8192,
                    "max_requests": 8192,
                    # A fixed number of retries runs out exactly when a replica dies with many requests in flight.
                    "retry_budget": {
                        "budget_percent": {"value": RETRY_PERCENT},
                        "min_retry_concurrency": FEWEST_RETRIES,
                    },
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
            # A release that is bad everywhere keeps half of its hosts, and a single one: ejecting all would fail its
            # whole share.
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
    return resource(Kind.CLUSTER, name, body)


@lru_cache(_REMEMBERED)
def _endpoints(cluster: str, here: str, endpoints: tuple[Endpoint, ...], drained: bool) -> Resource:
    """The region's own replicas first; those of other regions take over when none of them is left.

    A replica that is about to go is left out, and finishes what it has been sent. Told to the proxy as one that drains,
    it would count among those of which half may be ejected: then the one that is left could be, too.
    """
    localities: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for endpoint in (e for e in endpoints if e.ready):
        host, _, port = endpoint.address.rpartition(":")
        place = (0 if endpoint.region == here else 1, endpoint.region)
        localities.setdefault(place, []).append(
            {
                "endpoint": {"address": {"socket_address": {"address": host, "port_value": int(port)}}},
                "health_status": "DRAINING" if drained else "HEALTHY",
            }
        )
    body = {
        "cluster_name": cluster,
        "endpoints": [
            {"locality": {"region": region}, "priority": priority, "lb_endpoints": hosts}
            for (priority, region), hosts in sorted(localities.items())
        ],
    }
    return replace(resource(Kind.ENDPOINTS, cluster, body), after_routes=drained)


@lru_cache(_REMEMBERED)
def _listener(name: str, bind: str, port: int) -> Resource:
    connection_manager = {
        "@type": _EXTENSION + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "rds": {"route_config_name": name, "config_source": {**_ADS, "initial_fetch_timeout": "2s"}},
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
    body: dict[str, Any] = {
        "name": name,
        "address": {"socket_address": {"address": bind, "port_value": port}},
        "per_connection_buffer_limit_bytes": _BUFFER,
        # Shared ports would let two Envoys listen unseen, each with a part of the requests.
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [{"name": "envoy.http_connection_manager", "typed_config": connection_manager}]}],
    }
    return resource(Kind.LISTENER, name, body)
