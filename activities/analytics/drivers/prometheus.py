"""Telemetry from a Prometheus that scrapes the Envoys: the same raw counts, summed over all of them.

A reading is as old as its samples: ``at`` is when they were scraped, so two looks between two scrapes say "no newer
sample" and not "no traffic". Samples older than *stale_after* are no data, as are a query that Prometheus refuses, an
answer with warnings (some of the data was not reached), and a query without an answer for a service or release that
the others know: an error count that is missing is not an error count of zero.

A history is the answers to the same queries at instants of the past, each held to the same. Its windows end at those
instants, whenever was scraped.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Generic, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from activities.analytics.drivers.prometheus_history import Series, instants, readings
from activities.analytics.drivers.prometheus_queries import SIGNALS, Queries
from activities.analytics.drivers.prometheus_reading import Reading, Sample, Unusable
from models.telemetry import HISTORY_WINDOW_SECONDS, NoData, Signals, Totals, WindowReading, between

MOST_BYTES = 2_000_000
"""Of one answer of a history: an hour of the histograms of some 15 releases."""

Element = TypeVar("Element", Sample, Series)
Answer = TypeVar("Answer", Totals, Signals)


class _Data(BaseModel, Generic[Element]):
    result: list[Element]


class _Answer(BaseModel, Generic[Element]):
    data: _Data[Element]
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
        times = any(slow is not None for slow in services.values())
        return await self._of(services, self._queries.counting(times), self._totals)

    async def signals_of(self, services: Mapping[str, float | None]) -> dict[str, Signals | NoData]:
        """Seven queries for all of them, all for the same instant; what is in flight is of the time of the scrape."""
        return await self._of(services, SIGNALS, self._signals)

    async def history(self, service: str, slow_ms: float | None, until: datetime) -> Sequence[WindowReading] | NoData:
        """The dozen queries, each over the whole range."""
        times, about = instants(until.timestamp()), {"services": service}
        names = self._queries.counting(slow_ms is not None)
        try:
            answers = await self._answers(names, lambda query: self._ask_over(query, times, about))
            return await asyncio.to_thread(self._windows, answers, times, service, slow_ms)
        except Unusable as unusable:
            return self._none(service, unusable)

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

    async def _of(
        self,
        services: Mapping[str, float | None],
        names: Sequence[str],
        read: Callable[[Reading, str, float | None, float], Answer | NoData],
    ) -> dict[str, Answer | NoData]:
        about = {"services": "|".join(services)}
        try:
            now = await self._now()
            reading = Reading(await self._answers(names, lambda query: self._ask(query, now, about)))
        except Unusable as unusable:
            return {service: self._none(service, unusable) for service in services}
        return {service: read(reading, service, slow, now) for service, slow in services.items()}

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

    def _signals(self, reading: Reading, service: str, slow_ms: float | None, now: float) -> Signals | NoData:
        try:
            at, times = self._fresh(reading.sampled(service), now, service), reading.times(service)
            return Signals(
                service=service,
                region=self.region,
                at=at,
                epoch=reading.epoch(service),
                slow_ms=slow_ms,
                users=reading.users(service, slow_ms),
                timed=times.get(math.inf, 0),
                times=tuple((bound, within) for bound, within in times.items() if bound < math.inf),
                in_flight=reading.in_flight(service),
            )
        except Unusable as unusable:
            return self._none(service, unusable)

    def _windows(
        self, answers: Mapping[str, Sequence[Series]], times: Sequence[float], service: str, slow_ms: float | None
    ) -> list[WindowReading]:
        found = zip(readings(answers, times), times, strict=True)
        totals = [self._at(reading, service, slow_ms, at) for reading, at in found]
        return [between(earlier, later) for earlier, later in pairwise(totals)]

    def _at(self, reading: Reading, service: str, slow_ms: float | None, at: float) -> Totals | NoData:
        totals = self._totals(reading, service, slow_ms, at)
        if isinstance(totals, NoData):
            return totals
        return totals.model_copy(update={"at": datetime.fromtimestamp(at, UTC)})

    def _fresh(self, newest: float | None, now: float, what: str) -> datetime:
        if newest is None:
            raise Unusable(f"has no samples of {what}; does it scrape the Envoys of {self.region}?")
        if now - newest > self._stale_after:
            raise Unusable(f"is stale: the newest samples of {what} are {now - newest:.0f} s old")
        return datetime.fromtimestamp(newest, UTC)

    async def _answers(
        self, names: Sequence[str], ask: Callable[[str], Awaitable[list[Element]]]
    ) -> dict[str, list[Element]]:
        """The answers to the queries of these names, by name."""
        answers = await asyncio.gather(*(ask(getattr(self._queries, name)) for name in names))
        return dict(zip(names, answers, strict=True))

    async def _now(self) -> float:
        """By Prometheus's own clock, so that a difference between ours and its is no staleness."""
        return (await self._ask("vector(time())", None, {}))[0].number

    async def _ask(self, query: str, at: float | None, names: Mapping[str, str]) -> list[Sample]:
        when = {} if at is None else {"time": f"{at:.3f}"}
        return await self._post("query", _about(query, names), when, _Answer[Sample])

    async def _ask_over(self, query: str, times: Sequence[float], names: Mapping[str, str]) -> list[Series]:
        when = {"start": f"{times[0]:.3f}", "end": f"{times[-1]:.3f}", "step": str(HISTORY_WINDOW_SECONDS)}
        return await self._post("query_range", _about(query, names), when, _Answer[Series], MOST_BYTES)

    async def _post(
        self,
        what: str,
        query: str,
        when: Mapping[str, str],
        kind: type[_Answer[Element]],
        most_bytes: float = math.inf,
    ) -> list[Element]:
        try:
            status, text = await self._read(f"{self._url}/api/v1/{what}", {"query": query, **when}, most_bytes)
            if status in (400, 422):
                raise Unusable(f"refused a query: {_Complaint.model_validate_json(text).error}; it is {query}")
            answer = kind.model_validate_json(text)
        except httpx.HTTPStatusError as error:
            raise Unusable(f"answered {error.response.status_code} to a query") from None
        except httpx.HTTPError as error:
            raise Unusable(f"is away: {error or type(error).__name__}") from None
        except ValidationError:
            raise Unusable("answered something else than a vector; is that Prometheus?") from None
        if answer.warnings:
            raise Unusable(f"answered only in part: {'; '.join(answer.warnings)}")
        return answer.data.result

    async def _read(self, url: str, form: Mapping[str, str], most_bytes: float) -> tuple[int, bytes]:
        """The status and the body. Raises httpx errors, and :class:`Unusable` for a body that is longer."""
        async with self._client.stream("POST", url, data=form) as response:
            if response.status_code not in (400, 422):
                response.raise_for_status()
            text = bytearray()
            async for chunk in response.aiter_bytes():
                text += chunk
                if len(text) > most_bytes:
                    raise Unusable(f"answered more than {most_bytes:,} bytes to the query {form['query']}")
            return response.status_code, bytes(text)

    def _none(self, service: str, why: Unusable) -> NoData:
        return NoData(service=service, region=self.region, reason=f"Prometheus at {self._url} {why}")


def _about(query: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        query = query.replace(f"<{name}>", value)
    return query
