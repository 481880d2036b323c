"""The PromQL that the Prometheus driver asks, over the metrics that Envoy serves at ``/stats/prometheus``.

Raw cumulative sums over all Envoys, never a rate: the counting is ours. Each answer carries the label ``service``, and
``release`` or ``le`` where it is by release or by bucket; whoever has other metrics (Istio's, a gateway's) gives the
driver other :class:`Queries` with the same labels. ``<services>`` becomes a regular expression of the services' names,
``<service>`` and ``<release>`` the names themselves.

Envoy cuts a cluster's name for ``envoy_cluster_name`` at its first dot. A release that has one (``v1.2``) is found only
if the cluster sets ``alt_stat_name``, or the bootstrap's ``stats_config`` a tag that matches the whole name.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


def _listener(expression: str, more: str = "") -> str:
    by = f"sum by (envoy_http_conn_manager_prefix{more})"
    return f'label_replace({by} ({expression}), "service", "$1", "envoy_http_conn_manager_prefix", "(.+)")'


def _cluster(expression: str, more: str = "") -> str:
    named = f'label_replace(sum by (envoy_cluster_name{more}) ({expression}), "service", "$1", "envoy_cluster_name", '
    return f'label_replace({named}"([^|]+)[|].+"), "release", "$1", "envoy_cluster_name", "[^|]+[|](.+)")'


_USERS = 'envoy_http_conn_manager_prefix=~"<services>"'
_RELEASES = 'envoy_cluster_name=~"(<services>)[|].+"'
_COMPLETED = f"envoy_http_downstream_rq_completed{{{_USERS}}}"

SIGNALS = ("sampled", "runs", "users_answered", "users_errors", "users_gone", "users_times", "users_in_flight")
"""The names of the queries that tell what callers see."""


@dataclass(frozen=True)
class Queries:
    """What each counts is said in :mod:`activities.analytics.drivers.envoy`: the same counters, summed."""

    sampled: str = (
        f'label_replace(min by (envoy_http_conn_manager_prefix) (timestamp({_COMPLETED})), "service", "$1", '
        '"envoy_http_conn_manager_prefix", "(.+)")'
    )
    """When the newest samples were taken: the oldest of them over all Envoys, in seconds since 1970."""
    runs: str = (
        f"label_replace(group by (job, instance, envoy_http_conn_manager_prefix) ({_COMPLETED}) "
        '* on (job, instance) group_left () resets(envoy_server_uptime[1d]), "service", "$1", '
        '"envoy_http_conn_manager_prefix", "(.+)")'
    )
    """For each Envoy that counts for the service, how often it was started anew within a day."""
    users_answered: str = _listener(_COMPLETED)
    users_errors: str = _listener(f'envoy_http_downstream_rq_xx{{envoy_response_code_class="5",{_USERS}}}')
    users_gone: str = _listener(f"envoy_http_downstream_rq_rx_reset{{{_USERS}}}")
    users_times: str = _listener(f"envoy_http_downstream_rq_time_bucket{{{_USERS}}}", ", le")
    users_in_flight: str = _listener(f"envoy_http_downstream_rq_active{{{_USERS}}}")
    releases: str = _cluster(f"envoy_cluster_upstream_rq_total{{{_RELEASES}}}")
    """Which releases there are; those without a request are in it too."""
    release_attempts: str = _cluster(f'{{__name__=~"envoy_cluster_upstream_rq_(completed|retry)",{_RELEASES}}}')
    release_errors: str = _cluster(
        f'{{__name__=~"envoy_cluster_upstream_rq_(xx|retry)",envoy_response_code_class=~"5|",{_RELEASES}}}'
    )
    release_refused: str = _cluster(f'{{__name__=~"envoy_cluster_upstream_rq_(active|pending)_overflow",{_RELEASES}}}')
    release_times: str = _cluster(f"envoy_cluster_upstream_rq_time_bucket{{{_RELEASES}}}", ", le")
    in_flight: str = (
        'sum({__name__=~"envoy_cluster_upstream_rq_(active|pending_active)",envoy_cluster_name="<service>|<release>"})'
    )
    in_flight_sampled: str = (
        'min(timestamp(envoy_cluster_upstream_rq_active{envoy_cluster_name="<service>|<release>"}))'
    )

    def counting(self, times: bool) -> tuple[str, ...]:
        """The names of the queries that make a reading; those of latencies only where somebody has an objective."""
        flying = {"users_in_flight", "in_flight", "in_flight_sampled"}
        late = set[str]() if times else {"users_times", "release_times"}
        return tuple(field.name for field in fields(self) if field.name not in flying | late)
