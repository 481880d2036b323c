"""Telemetry from a Prometheus that scrapes the Envoys: the same raw counts, summed over all of them.

A reading is as old as its samples: ``at`` is when they were scraped, so two looks between two scrapes say "no newer
sample" and not "no traffic". Samples older than *stale_after* are no data, as are a query that Prometheus refuses, an
answer with warnings (some of the data was not reached), and a query without an answer for a service or release that
the others know: an error count that is missing is not an error count of zero.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import httpx
from pydantic import BaseModel, ValidationError

from activities.analytics.drivers.prometheus_queries import Queries
from activities.analytics.drivers.prometheus_reading import Reading, Sample, Unusable
from models.telemetry import NoData, Totals


class _Data(BaseModel):
    result: list[Sample]


class _Answer(BaseModel):
    data: _Data
    warnings: list[str] = []


class _Complaint(BaseModel):
    error: str


class PrometheusTelemetry:
    """Telemetry of a region's services from one Prometheus. *url*: its base, with any path prefix."""

    def __init__(
        self, region: str, url: str, queries: Queries | None = None, stale_after: float = 60.0, timeout: float = 5.0
    ) -> None:
        self.region = region
        self._url = url.rstrip("/")
        self._queries = queries or Queries()
        self._stale_after = stale_after
        self._client = httpx.AsyncClient(timeout=timeout, trust_env=False)

    async def totals(self, service: str, slow_ms: float | None) -> Totals | NoData:
        return (await self.totals_of({service: slow_ms}))[service]

    async def totals_of(self, services: Mapping[str, float | None]) -> dict[str, Totals | NoData]:
        """A dozen queries for all of them, all for the same instant."""
        try:
            now = await self._now()
            reading = await self._read("|".join(services), now, any(slow is not None for slow in services.values()))
        except Unusable as unusable:
            return {service: self._none(service, unusable) for service in services}
        return {service: self._totals(reading, service, slow, now) for service, slow in services.items()}

    async def in_flight(self, service: str, release: str) -> int | NoData:
        """Requests at the release, and those that wait for a connection to it, at the time of the last scrape."""
        names = {"service": service, "release": release}
        try:
            now = await self._now()
            sampled, found = await asyncio.gather(
                self._ask(self._queries.in_flight_sampled, now, names), self._ask(self._queries.in_flight, now, names)
            )
            self._fresh(sampled[0].number if sampled else None, now, f"{service}|{release}")
            return int(found[0].number) if found else self._none(service, Unusable(f"has no {service}|{release}"))
        except Unusable as unusable:
            return self._none(service, unusable)

    async def close(self) -> None:
        await self._client.aclose()

    def _totals(self, reading: Reading, service: str, slow_ms: float | None, now: float) -> Totals | NoData:
        try:
            return Totals(
                service=service,
                region=self.region,
                at=self._fresh(reading.sampled(service), now, service),
                epoch=reading.epoch(service),
                arms=reading.arms(service, slow_ms),
            )
        except Unusable as unusable:
            return self._none(service, unusable)

    def _fresh(self, newest: float | None, now: float, what: str) -> datetime:
        if newest is None:
            raise Unusable(f"has no samples of {what}; does it scrape the Envoys of {self.region}?")
        if now - newest > self._stale_after:
            raise Unusable(f"is stale: the newest samples of {what} are {now - newest:.0f} s old")
        return datetime.fromtimestamp(newest, UTC)

    async def _read(self, services: str, now: float, times: bool) -> Reading:
        names = self._queries.counting(times)
        asked = (self._ask(getattr(self._queries, name), now, {"services": services}) for name in names)
        return Reading(dict(zip(names, await asyncio.gather(*asked), strict=True)))

    async def _now(self) -> float:
        """By Prometheus's own clock, so that a difference between ours and its is no staleness."""
        return (await self._ask("vector(time())", None, {}))[0].number

    async def _ask(self, query: str, at: float | None, names: Mapping[str, str]) -> list[Sample]:
        for name, value in names.items():
            query = query.replace(f"<{name}>", value)
        try:
            form = {"query": query} if at is None else {"query": query, "time": f"{at:.3f}"}
            response = await self._client.post(f"{self._url}/api/v1/query", data=form)
            if response.status_code in (400, 422):
                raise Unusable(
                    f"refused a query: {_Complaint.model_validate_json(response.content).error}; it is {query}"
                )
            response.raise_for_status()
            answer = _Answer.model_validate_json(response.content)
        except httpx.HTTPStatusError as error:
            raise Unusable(f"answered {error.response.status_code} to a query") from None
        except httpx.HTTPError as error:
            raise Unusable(f"is away: {error or type(error).__name__}") from None
        except ValidationError:
            raise Unusable("answered something else than a vector; is that Prometheus?") from None
        if answer.warnings:
            raise Unusable(f"answered only in part: {'; '.join(answer.warnings)}")
        return answer.data.result

    def _none(self, service: str, why: Unusable) -> NoData:
        return NoData(service=service, region=self.region, reason=f"Prometheus at {self._url} {why}")
