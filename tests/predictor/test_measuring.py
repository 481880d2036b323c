"""A look tells of the interval that is over; a stray clock or a new catalog costs no more than it must."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from activities.analytics.store import Store, migrate, open_store, ticks
from activities.analytics.telemetry import Sampling
from activities.directory import Directory
from activities.predictor import contract, measuring
from activities.predictor.history import History
from activities.predictor.measuring import MeasuringActivities
from activities.sources import Source
from models.catalog import Catalog
from models.catalog_file import LoadedCatalog, parse
from models.telemetry import Count, NoData, Signals
from tests.predictor.kept_services import CATALOG, INTERVAL, catalog

FIRST = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) // INTERVAL


class Clock(datetime):
    """What measuring takes for the time."""

    moment = datetime.fromtimestamp(0, UTC)

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return cls.moment


class Counting:
    """A source that has counted ten requests a second since 1970."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)
        self.closed = False

    async def signals_of(self, services: Mapping[str, float | None]) -> dict[str, Signals | NoData]:
        return {service: self._counted(service) for service in services}

    async def close(self) -> None:
        self.closed = True

    def _counted(self, service: str) -> Signals:
        requests = int(Clock.moment.timestamp()) * 10
        users = Count(requests=requests, errors=0, slow=0)
        return Signals(
            service=service,
            region="eu",
            at=Clock.moment + self.ahead,
            epoch="e",
            slow_ms=None,
            users=users,
            timed=requests,
            times=((10.0, requests),),
            in_flight=0,
        )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> list[Counting]:
    """Those that were made, the newest last."""
    made: list[Counting] = []

    def sources_of(_: Catalog) -> tuple[Source, ...]:
        made.append(Counting())
        return (Source(cast(Sampling, made[-1]), "eu", ("payments",), "http://127.0.0.1:1"),)

    monkeypatch.setattr(measuring, "sources_of", sources_of)
    monkeypatch.setattr(measuring, "datetime", Clock)
    return made


async def look(activities: MeasuringActivities, number: int, loaded: LoadedCatalog | None = None) -> contract.Measured:
    """Some seconds after the end of interval *number*."""
    Clock.moment = datetime.fromtimestamp((number + 1) * INTERVAL + 3, UTC)
    return await activities.measure(contract.RegionRequest(region="eu", catalog=(loaded or catalog()).digest))


class Known:
    """Knows catalogs by their digests, as a directory does."""

    def __init__(self, *catalogs: LoadedCatalog) -> None:
        self._catalogs = {loaded.digest: loaded.catalog for loaded in catalogs}

    async def pinned(self, digest: str) -> Catalog:
        return self._catalogs[digest]


def process(store: Store, *catalogs: LoadedCatalog) -> MeasuringActivities:
    return MeasuringActivities(cast(Directory, Known(catalog(), *catalogs)), store)


async def test_a_look_measures_the_interval_that_is_over(store: Store, sources: list[Counting]) -> None:
    activities, history, rows = process(store), History(["payments"], INTERVAL), list[int]()
    for number in range(FIRST, FIRST + 3):
        assert (await look(activities, number)).number == number
    for tick in ticks.ticks(store, "eu", INTERVAL, 0, 10):
        rows += [number for number, _ in history.follow(tick, ())]
    assert rows == [FIRST + 1, FIRST + 2], "the first look has nothing before it"


async def test_a_source_whose_clock_is_ahead_once_costs_that_sample(store: Store, sources: list[Counting]) -> None:
    activities = process(store)
    await look(activities, FIRST)
    sources[0].ahead = timedelta(days=3)
    assert "set its clock" in (await look(activities, FIRST + 1)).missing["payments"]
    sources[0].ahead = timedelta(0)
    assert (await look(activities, FIRST + 2)).missing == {}


async def test_the_connections_of_a_catalog_that_was_replaced_are_given_back(
    store: Store, sources: list[Counting]
) -> None:
    other = parse(CATALOG.replace("900", "901"), "catalog.yaml", {})
    activities = process(store, other)
    await look(activities, FIRST)
    await look(activities, FIRST + 1)
    await look(activities, FIRST + 2, other)
    assert [source.closed for source in sources] == [True, False]
