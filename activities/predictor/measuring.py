"""What a region's services do in an interval: counted from one look to the next, and kept to be learned from."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from temporalio import activity

from activities.analytics.sampling import slow_threshold
from activities.analytics.store import Store, ticks
from activities.analytics.store.predictions import settle
from activities.analytics.store.ticks import Reading, Tick
from activities.directory import Directory
from activities.predictor import contract
from activities.predictor.history import is_astray, number_at
from activities.predictor.samples import between, row_of
from activities.sources import Source, sources_of
from models.catalog import Catalog
from models.telemetry import NoData, Signals


class MeasuringActivities:
    """Of one process, which holds a connection to each source of telemetry."""

    def __init__(self, directory: Directory, store: Store) -> None:
        self._directory = directory
        self._store = store
        self._sources: dict[str, tuple[str, tuple[Source, ...]]] = {}
        """By region, with the catalog's digest."""

    @activity.defn(name=contract.MEASURE.name)
    async def measure(self, request: contract.RegionRequest) -> contract.Measured:
        """Ask every source of the region once, and keep what has been counted since the last look."""
        catalog = await self._directory.pinned(request.catalog)
        interval, now = catalog.prediction.interval, datetime.now(UTC)
        signals = await self._ask(request, catalog)
        before = await asyncio.to_thread(ticks.latest_signals, self._store, request.region, interval)
        signals = {service: _believed(reading, now, interval) for service, reading in signals.items()}
        tick = Tick(
            number=number_at(now, interval),
            at=now,
            samples={service: _reading(before.get(service), reading) for service, reading in signals.items()},
        )
        counts = {service: reading for service, reading in signals.items() if isinstance(reading, Signals)}
        await asyncio.to_thread(ticks.keep, self._store, request.region, interval, tick, counts)
        missing = {service: reading for service, reading in tick.samples.items() if isinstance(reading, str)}
        return contract.Measured(number=tick.number, services=len(tick.samples), missing=missing)

    @activity.defn(name=contract.SETTLE.name)
    async def settle(self, request: contract.RegionRequest) -> contract.Settled:
        """Note what has become of the alarms whose horizon is over, once its last incidents have reached the store."""
        catalog = await self._directory.pinned(request.catalog)
        wait = timedelta(seconds=2 * catalog.prediction.interval)
        known = await asyncio.to_thread(settle, self._store, request.region, datetime.now(UTC), wait)
        true = sum(known)
        return contract.Settled(region=request.region, came_true=true, in_vain=len(known) - true)

    async def _ask(self, request: contract.RegionRequest, catalog: Catalog) -> dict[str, Signals | NoData]:
        here = await self._sources_of(request, catalog)
        answers = await asyncio.gather(*(source.telemetry.signals_of(_slow(catalog, source)) for source in here))
        return {service: reading for answer in answers for service, reading in answer.items()}

    async def _sources_of(self, request: contract.RegionRequest, catalog: Catalog) -> tuple[Source, ...]:
        digest, known = self._sources.get(request.region, ("", ()))
        if digest == request.catalog:
            return known
        found = sources_of(catalog)
        here = tuple(source for source in found if source.region == request.region)
        self._sources[request.region] = request.catalog, here
        for source in (*known, *(source for source in found if source not in here)):
            await source.telemetry.close()
        return here


def _slow(catalog: Catalog, source: Source) -> Mapping[str, float | None]:
    return {service: slow_threshold(catalog, service) for service in source.services}


def _believed(reading: Signals | NoData, now: datetime, interval: int) -> Signals | NoData:
    """Counts of a clock that is astray would be newer, or older, than all that follow them."""
    if isinstance(reading, Signals) and is_astray(reading.at, now, interval):
        why = f"the source says that it is {reading.at:%Y-%m-%d %H:%M:%S} UTC: set its clock"
        return NoData(service=reading.service, region=reading.region, reason=why)
    return reading


def _reading(earlier: Signals | None, later: Signals | NoData) -> Reading:
    if earlier is None and isinstance(later, Signals):
        return "this is the first look at it"
    sample = between(earlier or later, later)
    return sample.reason if isinstance(sample, NoData) else (sample.at.timestamp(), *row_of(sample))
