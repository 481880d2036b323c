"""Telemetry straight from one Envoy's admin interface: what users and releases saw, with no server in between.

Names, as the mesh's control plane gives them: a listener's ``stat_prefix`` is the service, a cluster is
``<service>|<release>``.

What is counted:

- *users*: ``http.<service>.downstream_rq_completed`` and ``downstream_rq_rx_reset``; errors are ``downstream_rq_5xx``.
  A reset is a caller who gave up waiting: Envoy has no time for it, and it counts as slow, or a hanging service would
  look idle.
- *a release*: every attempt, so that retries do not hide its failures: ``upstream_rq_completed`` and
  ``upstream_rq_retry``; errors are ``upstream_rq_5xx`` and ``upstream_rq_retry``. What a circuit breaker refused
  (``…_overflow``) never reached the release and is taken out of both; users saw it, so it stays in theirs.
- a copy of a request that is sent to a release (``mirror/<release>`` of the mesh) counts like any request of that
  release, in flight too: nobody waits for it, so only these counters show how it was answered. It is no request of the
  users, and it is never retried.
- *slow*: the histogram's requests above the first bucket whose bound is not below the threshold. Envoy's bounds by
  default: 0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000 ms and on.

Envoy merges histograms when it flushes: every 5 s, or at each look at the admin interface with ``stats_flush_on_admin``
(the embedded default sets it). The driver looks once before it reads, so with that setting slow requests are current;
without it they trail by up to the flush interval.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import httpx
from pydantic import BaseModel, ValidationError

from activities.analytics.drivers.envoy_epoch import Epoch
from models.telemetry import USERS, Count, NoData, Totals, WindowReading

_LISTENER = r"downstream_rq_(completed|5xx|rx_reset|time)"
_CLUSTER = r"upstream_rq_(total|completed|5xx|retry|active_overflow|pending_overflow|time)"
_NAMES_IN_A_FILTER = 200
"""More services than these and the filter matches all of them, because a request line has its limits too."""


class _Bucket(BaseModel):
    upper_bound: float
    cumulative: int


class _Histogram(BaseModel):
    name: str
    buckets: list[_Bucket]

    def slower_than(self, milliseconds: float) -> int:
        within = next((b.cumulative for b in self.buckets if b.upper_bound >= milliseconds), None)
        return 0 if within is None else self.buckets[-1].cumulative - within


class _Entry(BaseModel):
    """A counter or gauge, or the one entry that holds all histograms."""

    name: str = ""
    value: int | str = 0
    histograms: list[_Histogram] = []


class _Answer(BaseModel):
    stats: list[_Entry]


class _Unflushed(Exception):
    """An arm has requests but no histogram yet: how many were slow is unknown, not zero."""


class Statistics:
    """One answer of ``/stats``, by name."""

    def __init__(self, text: bytes) -> None:
        entries = _Answer.model_validate_json(text).stats
        self.counters = {e.name: e.value for e in entries if e.name and isinstance(e.value, int)}
        self._histograms = {h.name: h for e in entries for h in e.histograms}

    def releases(self, service: str) -> tuple[str, ...]:
        """The releases that have a cluster; ``upstream_rq_total`` is there from its first moment."""
        start, end = f"cluster.{service}|", ".upstream_rq_total"
        return tuple(
            sorted(n[len(start) : -len(end)] for n in self.counters if n.startswith(start) and n.endswith(end))
        )

    def users(self, service: str, slow_ms: float | None) -> Count | None:
        """What callers saw; none where this Envoy has no listener of that name."""
        prefix = f"http.{service}.downstream_rq_"
        if prefix + "completed" not in self.counters:
            return None
        answered = self._count(self._sum(prefix, "completed"), self._sum(prefix, "5xx"), prefix + "time", slow_ms)
        gone = self._sum(prefix, "rx_reset")
        slow = answered.slow + gone if slow_ms is not None else 0
        return Count(requests=answered.requests + gone, errors=answered.errors, slow=slow)

    def release(self, service: str, release: str, slow_ms: float | None) -> Count:
        prefix = f"cluster.{service}|{release}.upstream_rq_"
        refused = self._sum(prefix, "active_overflow", "pending_overflow")
        requests = max(0, self._sum(prefix, "completed", "retry") - refused)
        errors = max(0, self._sum(prefix, "5xx", "retry") - refused)
        # Where it has no host that is ready, Envoy answers by itself: that is an error, and no time of the release's.
        reached = self._sum(prefix, "total") > 0
        return self._count(requests, errors, prefix + "time", slow_ms if reached else None)

    def _sum(self, prefix: str, *names: str) -> int:
        """Counters that Envoy makes at their first event are zero before it."""
        return sum(int(self.counters.get(prefix + name, 0)) for name in names)

    def _count(self, requests: int, errors: int, histogram: str, slow_ms: float | None) -> Count:
        if slow_ms is None or requests == 0:
            return Count(requests=requests, errors=errors, slow=0)
        found = self._histograms.get(histogram)
        if found is None or not found.buckets:
            raise _Unflushed(histogram)
        return Count(requests=requests, errors=errors, slow=min(requests, found.slower_than(slow_ms)))


class EnvoyTelemetry:
    """Telemetry of the services that one Envoy serves in one region. *url*: its admin interface."""

    def __init__(self, region: str, url: str, timeout: float = 2.0) -> None:
        self.region = region
        self._url = url.rstrip("/")
        self._client = httpx.AsyncClient(base_url=self._url, timeout=timeout, trust_env=False)
        self._epoch = Epoch(self._client)

    async def totals(self, service: str, slow_ms: float | None) -> Totals | NoData:
        return (await self.totals_of({service: slow_ms}))[service]

    async def totals_of(self, services: Mapping[str, float | None]) -> dict[str, Totals | NoData]:
        """One poll for all of them."""
        try:
            if any(slow is not None for slow in services.values()):
                await self._get("/stats", filter=r"^server\.live$")  # lets Envoy merge its histograms
            at = datetime.now(UTC)
            statistics = Statistics(
                await self._get("/stats", filter=_filter(services), format="json", histogram_buckets="cumulative")
            )
            epoch = await self._epoch.of(float(statistics.counters["server.uptime"]), at)
        except httpx.HTTPStatusError as error:
            return self._nothing(services, f"answered {error.response.status_code} to a question for statistics")
        except httpx.HTTPError as error:
            return self._nothing(services, f"is away: {error or type(error).__name__}")
        except (ValidationError, KeyError, ValueError):
            return self._nothing(services, "answered something else than Envoy's statistics; is that the admin port?")
        return {service: self._read(statistics, service, slow, at, epoch) for service, slow in services.items()}

    async def history(self, service: str, slow_ms: float | None, until: datetime) -> Sequence[WindowReading] | NoData:
        return self._none(service, "keeps no history")

    async def in_flight(self, service: str, release: str) -> int | NoData:
        """Requests at the release, and those that wait for a connection to it."""
        prefix = f"cluster.{service}|{release}.upstream_rq_"
        names = (prefix + "active", prefix + "pending_active")
        try:
            text = await self._get("/stats", filter=f"^{re.escape(prefix)}(pending_)?active$", format="json")
            counters = Statistics(text).counters
        except httpx.HTTPError as error:
            return self._none(service, f"is away: {error or type(error).__name__}")
        except ValidationError:
            return self._none(service, "answered something else than Envoy's statistics; is that the admin port?")
        if names[0] not in counters:
            return self._none(service, f"has no cluster {service}|{release}")
        return sum(counters.get(name, 0) for name in names)

    async def close(self) -> None:
        await self._client.aclose()

    def _read(
        self, statistics: Statistics, service: str, slow_ms: float | None, at: datetime, epoch: str
    ) -> Totals | NoData:
        try:
            users = statistics.users(service, slow_ms)
            arms = {r: statistics.release(service, r, slow_ms) for r in statistics.releases(service)}
        except _Unflushed as missing:
            return self._none(service, f"has not merged {missing} yet, so slow requests are unknown")
        if users is None:
            return self._none(service, f"has no listener with the stat prefix {service}")
        return Totals(service=service, region=self.region, at=at, epoch=epoch, arms={**arms, USERS: users})

    async def _get(self, path: str, **parameters: str) -> bytes:
        response = await self._client.get(path, params=parameters)
        response.raise_for_status()
        return response.content

    def _none(self, service: str, reason: str) -> NoData:
        return NoData(service=service, region=self.region, reason=f"Envoy at {self._url} {reason}")

    def _nothing(self, services: Mapping[str, float | None], reason: str) -> dict[str, Totals | NoData]:
        return {service: self._none(service, reason) for service in services}


def _filter(services: Mapping[str, float | None]) -> str:
    names = "|".join(map(re.escape, services)) if len(services) <= _NAMES_IN_A_FILTER else "[a-z0-9-]+"
    return rf"^(http\.({names})\.{_LISTENER}|cluster\.({names})\|[^|]+\.{_CLUSTER}|server\.uptime)$"
