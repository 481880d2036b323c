"""What an Envoy is started with: who it is, where its control plane is, and what it counts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from models.base import Frozen
from models.catalog import Catalog
from workers.mesh.protection import LAYER

BUCKETS = (0.5, 1, 2.5, 5, 10, 25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 1500, 2500, 5000, 10000, 30000)
"""Upper bounds in milliseconds of every histogram; the services' thresholds are added."""

_CONTROL_PLANE = "sternway-mesh"
_ADS: dict[str, Any] = {"ads": {}, "resource_api_version": "V3"}


class Proxy(Frozen):
    """One Envoy. *standby* is the port that serves the last-known-good, where there is one. All on loopback."""

    region: str
    node: str
    xds: int
    admin: int
    standby: int | None = None
    thresholds: tuple[float, ...] = ()
    """Milliseconds that telemetry will ask about."""


def thresholds(catalog: Catalog) -> tuple[float, ...]:
    """The latency objectives of all services."""
    found = {s.slos.latency.threshold_ms for s in catalog.services.values() if s.slos.latency}
    return tuple(sorted(found))


def bootstrap(proxy: Proxy) -> dict[str, Any]:
    """The bootstrap configuration, as JSON."""
    retry = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "0.5s"}}
    service = {"envoy_grpc": {"cluster_name": _CONTROL_PLANE, "retry_policy": retry}}
    return {
        "node": {"id": proxy.node, "cluster": proxy.region, "locality": {"region": proxy.region}},
        "admin": {"address": _address(proxy.admin), "ignore_global_conn_limit": True},
        "stats_flush_on_admin": True,
        "stats_config": {
            "histogram_bucket_settings": [
                {"match": {"safe_regex": {"regex": ".*"}}, "buckets": sorted({*map(float, BUCKETS), *proxy.thresholds})}
            ]
        },
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [service],
            },
            "cds_config": {**_ADS, "initial_fetch_timeout": "5s"},
            "lds_config": {**_ADS, "initial_fetch_timeout": "5s"},
        },
        "layered_runtime": {
            "layers": [
                {
                    "name": LAYER,
                    "rtds_layer": {"name": LAYER, "rtds_config": {**_ADS, "initial_fetch_timeout": "5s"}},
                }
            ]
        },
        "static_resources": {"clusters": [_control_plane(proxy)]},
    }


def _control_plane(proxy: Proxy) -> dict[str, Any]:
    """The control plane, and the standby when that does not answer."""
    places = [proxy.xds, *([proxy.standby] if proxy.standby else [])]
    return {
        "name": _CONTROL_PLANE,
        "type": "STATIC",
        "connect_timeout": "1s",
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "health_checks": [
            {
                "timeout": "0.5s",
                "interval": "0.5s",
                "no_traffic_interval": "0.5s",
                "unhealthy_threshold": 1,
                "healthy_threshold": 1,
                "tcp_health_check": {},
            }
        ],
        "load_assignment": {
            "cluster_name": _CONTROL_PLANE,
            "endpoints": _priorities(places),
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {
                    "http2_protocol_options": {"connection_keepalive": {"interval": "5s", "timeout": "2s"}}
                },
            }
        },
    }


def _priorities(ports: Iterable[int]) -> list[dict[str, Any]]:
    return [
        {"priority": index, "lb_endpoints": [{"endpoint": {"address": _address(port)}}]}
        for index, port in enumerate(ports)
    ]


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
