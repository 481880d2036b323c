"""What a Prometheus has in store of an Envoy that it scraped in the past, as OpenMetrics text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from models.telemetry import Count

FAST, SLOW = "250", "+Inf"
"""The buckets: requests are slow beyond 250 ms."""


@dataclass(frozen=True)
class PastEnvoy:
    """One that served *service* alone. *counted*: by release, what it counted in each *step* seconds from *start* on;
    where it has none, the release has no cluster. It was scraped at the ends of these steps that are in *scraped*
    (all, where none is named), and started anew at the ends of those in *restarts*."""

    service: str
    start: float
    counted: Mapping[str, Sequence[Count | None]]
    step: float = 15.0
    instance: str = "one"
    scraped: Sequence[int] | None = None
    restarts: Sequence[int] = ()

    def samples(self) -> Iterator[str]:
        """The first is of the start, when nothing was counted."""
        steps = max(map(len, self.counted.values()))
        totals = dict.fromkeys(self.counted, Count(requests=0, errors=0, slow=0))
        began = 0
        for at in range(steps + 1):
            if at in self.restarts:
                totals, began = dict.fromkeys(self.counted, Count(requests=0, errors=0, slow=0)), at
            there = {r: counts[max(0, at - 1)] for r, counts in self.counted.items()}
            totals |= {r: _sum(totals[r], count) for r, count in there.items() if count and at > began}
            if self.scraped is None or at in self.scraped:
                known = {release: totals[release] for release, count in there.items() if count}
                yield from self._scrape(self.start + at * self.step, 100 + (at - began) * self.step, known)

    def _scrape(self, at: float, uptime: float, totals: Mapping[str, Count]) -> Iterator[str]:
        labels, end = f'job="envoy",instance="{self.service}-{self.instance}"', f"{at:.3f}"
        yield f"envoy_server_uptime{{{labels}}} {uptime} {end}"
        users = Count(requests=0, errors=0, slow=0)
        for count in totals.values():
            users = _sum(users, count)
        listener = f'{labels},envoy_http_conn_manager_prefix="{self.service}"'
        yield from _counters("envoy_http_downstream_rq", listener, users, end)
        yield f"envoy_http_downstream_rq_rx_reset{{{listener}}} 0 {end}"
        for release, count in totals.items():
            cluster = f'{labels},envoy_cluster_name="{self.service}|{release}"'
            yield from _counters("envoy_cluster_upstream_rq", cluster, count, end)
            yield f"envoy_cluster_upstream_rq_total{{{cluster}}} {count.requests} {end}"
            for never in ("retry", "active_overflow", "pending_overflow"):
                yield f"envoy_cluster_upstream_rq_{never}{{{cluster}}} 0 {end}"


def openmetrics(*envoys: PastEnvoy) -> str:
    return "\n".join([*(line for envoy in envoys for line in envoy.samples()), "# EOF", ""])


def _counters(name: str, labels: str, count: Count, end: str) -> Iterator[str]:
    yield f"{name}_completed{{{labels}}} {count.requests} {end}"
    yield f'{name}_xx{{{labels},envoy_response_code_class="5"}} {count.errors} {end}'
    yield f'{name}_time_bucket{{{labels},le="{FAST}"}} {count.requests - count.slow} {end}'
    yield f'{name}_time_bucket{{{labels},le="{SLOW}"}} {count.requests} {end}'


def _sum(one: Count, other: Count) -> Count:
    return Count(requests=one.requests + other.requests, errors=one.errors + other.errors, slow=one.slow + other.slow)
