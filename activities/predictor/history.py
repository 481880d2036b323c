"""The way of a region's services as it is kept: intervals from the store, as rows of entities that follow each other.

Serving and learning go the same way, so that a model is shown what it was learned from.

The rule of time: who looks at t tells of what happened since the look before, so that a look belongs to the interval in
which t - interval/2 lies. A schedule that looks when interval n is over (give or take half of one) measures row n, and
may speak of it at once. All that was known by then counts as known in row n, and nothing that came later: an incident
is active in it from its being received before the row's end. An alarm begins at the end of its row, and comes true
with an incident of the rows n + 1 to n + horizon.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter

import numpy
from numpy.typing import NDArray

from activities.analytics.store.predictions import Trouble
from activities.analytics.store.ticks import Tick
from activities.predictor.grid import DAY_SECONDS, LONGEST_GAP_SECONDS, Grid, NotOnTheGrid, Row
from activities.predictor.layout import Layout
from activities.predictor.samples import METRICS
from models.catalog import Catalog

Floats = NDArray[numpy.float64]

COOL_DOWN_SECONDS = 1800
"""Incidents nearer than this are one, and nothing is predicted within it after one."""


def entity(region: str, service: str) -> str:
    """The name by which models know a service in a region."""
    return f"{region}/{service}"


def number_at(look: datetime, interval_s: int) -> int:
    """The row that a look measures."""
    return int(look.timestamp() - interval_s / 2) // interval_s


def is_astray(sampled_at: datetime, look: datetime, interval_s: int) -> bool:
    """Whether a sample's clock is so far from that of the *look* that it would lead the grid away: all that is known
    of the service would begin anew with it, and once more with the next sample."""
    ahead = (sampled_at - look).total_seconds()
    return not -LONGEST_GAP_SECONDS <= ahead <= interval_s


def layout_of(catalog: Catalog) -> Layout:
    """Of all services: what is measured of them, and how often."""
    asked = catalog.prediction
    return Layout(
        metrics=METRICS,
        interval_s=asked.interval,
        horizon=asked.horizon // asked.interval,
        period=DAY_SECONDS // asked.interval,
        merge=max(1, COOL_DOWN_SECONDS // asked.interval),
        business=True,
    )


@dataclass(frozen=True)
class EntityRow:
    """One interval of one service in one region."""

    service: str
    row: Row
    active: bool
    """Whether an incident was open in it, as far as that was known at its end."""


class History:
    """Of one region. Give it the intervals in their order; it remembers where each service stands."""

    def __init__(self, services: Sequence[str], interval_s: int) -> None:
        self._interval = interval_s
        self._half = timedelta(seconds=interval_s / 2)
        self._grids = {service: Grid(interval_s) for service in services}

    def follow(self, tick: Tick, troubles: Sequence[Trouble]) -> Iterator[tuple[int, list[EntityRow]]]:
        """What an interval adds, by row number, the lowest first: the rows of all services that have one.

        *troubles*: the incidents that may have been open meanwhile.
        """
        rows = [self._row(service, row, troubles) for service in self._grids for row in self._laid(service, tick)]
        for number, same in groupby(sorted(rows, key=_number), key=_number):
            yield number, list(same)

    def _laid(self, service: str, tick: Tick) -> Iterable[Row]:
        reading = tick.samples.get(service)
        grid = self._grids[service]
        if reading is None or isinstance(reading, str):
            return grid.advance(tick.at - self._half)
        stamp, *values = reading
        sampled_at = datetime.fromtimestamp(stamp or 0, UTC)
        if is_astray(sampled_at, tick.at, self._interval):
            return grid.advance(tick.at - self._half)
        try:
            return grid.lay(sampled_at - self._half, values)
        except NotOnTheGrid:  # the row is laid already, and stays as it is
            return ()

    def _row(self, service: str, row: Row, troubles: Sequence[Trouble]) -> EntityRow:
        begins = datetime.fromtimestamp(row.number * self._interval, UTC)
        ends = datetime.fromtimestamp((row.number + 1) * self._interval, UTC)
        active = any(
            trouble.service == service
            and trouble.received_at < ends
            and (trouble.ended_at is None or trouble.ended_at >= begins)
            for trouble in troubles
        )
        return EntityRow(service, row, active)


def business_of(catalog: Catalog, services: Sequence[str], values: Floats) -> Floats:
    """[n, 5]: what services earn, whom they serve and what they promise, beside what was measured of them [n, M]. NaN
    where the catalog does not say; a tier's default is no measure of one service."""
    entries = [catalog.services[service] for service in services]
    said = [(entry.value.revenue_per_minute, entry.value.customers) for entry in entries]
    numbers: Floats = numpy.empty((len(services), 5))
    numbers[:, :2] = [[numpy.nan if number is None else number for number in pair] for pair in said]
    numbers[:, 2] = values[:, METRICS.index("requests_per_second")] * 60
    numbers[:, 3] = values[:, METRICS.index("error_share")]
    numbers[:, 4] = [entry.slos.availability.objective / 100 for entry in entries]
    return numbers


_number = attrgetter("row.number")
