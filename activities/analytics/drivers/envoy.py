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
- *in flight at the listener*: ``downstream_rq_active``. Times are those of ``downstream_rq_time``: of who was answered.
- *slow*: the histogram's requests above the first bucket whose bound is not below the threshold. Envoy's bounds by
  default: 0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000 ms and on.

Envoy merges histograms when it flushes: every 5 s, or at each look at the admin interface with ``stats_flush_on_admin``
(the embedded default sets it). The driver looks once before it reads, so with that setting slow requests are current;
without it they trail by up to the flush interval.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import httpx
from pydantic import ValidationError

from activities.analytics.drivers.envoy_epoch import Epoch
from activities.analytics.drivers.envoy_statistics import CLUSTER, LISTENER, Statistics, Unusable
from models.telemetry import USERS, NoData, Signals, Totals, WindowReading

_NAMES_IN_A_FILTER = 200
"""More services than these and the filter matches all of them, because a request line has its limits too."""

Answer = TypeVar("Answer", Totals, Signals)


@dataclass(frozen=True)
class _Look:
    """At all statistics at once."""

    statistics: Statistics
    at: datetime
    epoch: str


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
        times = any(slow is not None for slow in services.values())
        return await self._of(services, _listeners(services) + "|" + _clusters(services), times, self._totals)

    async def signals_of(self, services: Mapping[str, float | None]) -> dict[str, Signals | NoData]:
        """One poll for all of them."""
        return await self._of(services, _listeners(services), True, self._signals)

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

    async def _of(
        self,
        services: Mapping[str, float | None],
        names: str,
        times: bool,
        read: Callable[[_Look, str, float | None], Answer],
    ) -> dict[str, Answer | NoData]:
        answers: dict[str, Answer | NoData] = {}
        try:
            look = await self._look(names, times)
        except Unusable as unusable:
            return {service: self._none(service, str(unusable)) for service in services}
        for service, slow_ms in services.items():
            try:
                answers[service] = read(look, service, slow_ms)
            except Unusable as unusable:
                answers[service] = self._none(service, str(unusable))
        return answers

    async def _look(self, names: str, times: bool) -> _Look:
        """*names*: a regular expression; *times*: whether histograms are of interest. Raises :class:`Unusable`."""
        try:
            if times:
                await self._get("/stats", filter=r"^server\.live$")  # lets Envoy merge its histograms
            at = datetime.now(UTC)
            wanted = rf"^({names}|server\.uptime)$"
            text = await self._get("/stats", filter=wanted, format="json", histogram_buckets="cumulative")
            statistics = Statistics(text)
            return _Look(statistics, at, await self._epoch.of(float(statistics.counters["server.uptime"]), at))
        except httpx.HTTPStatusError as error:
            raise Unusable(f"answered {error.response.status_code} to a question for statistics") from None
        except httpx.HTTPError as error:
            raise Unusable(f"is away: {error or type(error).__name__}") from None
        except (ValidationError, KeyError, ValueError):
            raise Unusable("answered something else than Envoy's statistics; is that the admin port?") from None

    def _totals(self, look: _Look, service: str, slow_ms: float | None) -> Totals:
        statistics = look.statistics
        users = statistics.users(service, slow_ms)
        arms = {r: statistics.release(service, r, slow_ms) for r in statistics.releases(service)}
        return Totals(service=service, region=self.region, at=look.at, epoch=look.epoch, arms={**arms, USERS: users})

    def _signals(self, look: _Look, service: str, slow_ms: float | None) -> Signals:
        users, times = look.statistics.users(service, slow_ms), look.statistics.times(service)
        return Signals(
            service=service,
            region=self.region,
            at=look.at,
            epoch=look.epoch,
            slow_ms=slow_ms,
            users=users,
            timed=times[-1][1] if times else 0,
            times=times,
            in_flight=look.statistics.in_flight(service),
        )

    async def _get(self, path: str, **parameters: str) -> bytes:
        response = await self._client.get(path, params=parameters)
        response.raise_for_status()
        return response.content

    def _none(self, service: str, reason: str) -> NoData:
        return NoData(service=service, region=self.region, reason=f"Envoy at {self._url} {reason}")


def _listeners(services: Mapping[str, float | None]) -> str:
    return rf"http\.({_names(services)})\.{LISTENER}"


def _clusters(services: Mapping[str, float | None]) -> str:
    return rf"cluster\.({_names(services)})\|[^|]+\.{CLUSTER}"


def _names(services: Mapping[str, float | None]) -> str:
    return "|".join(map(re.escape, services)) if len(services) <= _NAMES_IN_A_FILTER else "[a-z0-9-]+"
