"""What a region's services do in an interval: counted from one look to the next, and kept to be learned from."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeGuard

from temporalio import activity

from activities.analytics.sampling import slow_threshold
from activities.analytics.store import Store, ticks
from activities.analytics.store.predictions import settle
from activities.analytics.store.ticks import Reading, Tick
from activities.directory import Directory
from activities.predictor import contract
from activities.predictor.samples import between, row_of
from activities.sources import Source, sources_of
from models.catalog import Catalog
from models.telemetry import NoData, Signals


class MeasuringActivities:
    """Of one process, which holds a connection to each source of telemetry."""

    def __init__(self, directory: Directory, store: Store) -> None:
        self._directory = directory
        self._store = store
        self._sources: dict[str, tuple[Source, ...]] = {}

    @activity.defn(name=contract.MEASURE.name)
    async def measure(self, request: contract.RegionRequest) -> contract.Measured:
        """Ask every source of the region once, and keep what has been counted since the last look."""
        catalog = await self._directory.pinned(request.catalog)
        interval, now = catalog.prediction.interval, datetime.now(UTC)
        signals = await self._ask(request, catalog)
        before = await asyncio.to_thread(ticks.latest_signals, self._store, request.region, interval)
        tick = Tick(
            number=int(now.timestamp()) // interval,
            at=now,
            samples={service: _reading(before.get(service), reading) for service, reading in signals.items()},
        )
        fresh = {service: reading for service, reading in signals.items() if _is_newer(reading, before.get(service))}
        await asyncio.to_thread(ticks.keep, self._store, request.region, interval, tick, fresh)
        missing = {service: reading for service, reading in tick.samples.items() if isinstance(reading, str)}
        return contract.Measured(number=tick.number, services=len(tick.samples), missing=missing)

    @activity.defn(name=contract.SETTLE.name)
    async def settle(self, request: contract.RegionRequest) -> contract.Settled:
        """Note what has become of the alarms whose horizon is over."""
        known = await asyncio.to_thread(settle, self._store, request.region, datetime.now(UTC))
        true = sum(known)
        return contract.Settled(region=request.region, came_true=true, in_vain=len(known) - true)

    async def _ask(self, request: contract.RegionRequest, catalog: Catalog) -> dict[str, Signals | NoData]:
        if request.catalog not in self._sources:
            self._sources[request.catalog] = sources_of(catalog)
        here = [source for source in self._sources[request.catalog] if source.region == request.region]
        answers = await asyncio.gather(*(source.telemetry.signals_of(_slow(catalog, source)) for source in here))
        return {service: reading for answer in answers for service, reading in answer.items()}


def _slow(catalog: Catalog, source: Source) -> Mapping[str, float | None]:
    return {service: slow_threshold(catalog, service) for service in source.services}


def _is_newer(reading: Signals | NoData, before: Signals | None) -> TypeGuard[Signals]:
    """What shows nothing new is no beginning of the next interval: what happens meanwhile would be lost."""
    return isinstance(reading, Signals) and (before is None or reading.at > before.at)


def _reading(earlier: Signals | None, later: Signals | NoData) -> Reading:
    if earlier is None and isinstance(later, Signals):
        return "this is the first look at it"
    sample = between(earlier or later, later)
    return sample.reason if isinstance(sample, NoData) else (sample.at.timestamp(), *row_of(sample))
