"""What can be learned from: all that is kept of the catalog's services, laid on the grid as it was served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy

from activities.analytics.store import Store, predictions, ticks
from activities.predictor.history import EntityRow, History, business_of, entity, layout_of
from activities.predictor.learning.episodes import Group, Series
from models.base import SternwayError
from models.catalog import Catalog

AT_ONCE = 500
"""Intervals that are read in one go."""
FEWEST_DAYS = 2
"""Of a service that is learned from: what a day looks like is part of what is learned."""

Progress = Callable[[str], None]


class NothingKept(SternwayError):
    """There is too little to learn from."""


@dataclass(frozen=True)
class Kept:
    """Everything that is kept of the services since some moment."""

    group: Group
    first_numbers: dict[str, int]
    """Of the first row of each entity: intervals since 1970."""

    @property
    def until(self) -> datetime:
        """The end of the last row: what is learned from the same rows bears the same date, whenever that is."""
        last = max(self.first_numbers[one.entity] + len(one.active) for one in self.group.series)
        return datetime.fromtimestamp(last * self.group.layout.interval_s, UTC)


@dataclass
class _Rows:
    """Of one entity, since it last began anew."""

    rows: list[EntityRow] = field(default_factory=list)

    def add(self, row: EntityRow) -> None:
        if row.row.anew:
            self.rows.clear()
        self.rows.append(row)


def kept(store: Store, catalog: Catalog, since: datetime, progress: Progress) -> Kept:
    """Raises :class:`NothingKept` where no service has :data:`FEWEST_DAYS` of rows."""
    found: dict[str, _Rows] = {}
    for region in catalog.regions:
        progress(f"reading what is kept of {region}")
        for row in _rows_of(store, catalog, region, since):
            found.setdefault(entity(region, row.service), _Rows()).add(row)
    layout = layout_of(catalog)
    long_enough = {name: rows.rows for name, rows in found.items() if len(rows.rows) >= FEWEST_DAYS * layout.period}
    if not long_enough:
        most = max((len(rows.rows) for rows in found.values()), default=0) / layout.period
        raise NothingKept(
            f"no service has been measured for {FEWEST_DAYS} days without a break; the longest is {most:.1f}: let "
            "`sternway predict pool` run for longer"
        )
    series = tuple(_series(catalog, name, rows) for name, rows in long_enough.items())
    return Kept(Group("services", layout, series), {name: rows[0].row.number for name, rows in long_enough.items()})


def _rows_of(store: Store, catalog: Catalog, region: str, since: datetime) -> list[EntityRow]:
    services = [name for name, service in catalog.services.items() if region in service.regions]
    interval = catalog.prediction.interval
    history, after = History(services, interval), int(since.timestamp()) // interval
    troubles = predictions.troubles(store, region, since - timedelta(days=1))
    rows: list[EntityRow] = []
    while found := ticks.ticks(store, region, interval, after, AT_ONCE):
        for tick in found:
            rows += [row for _, same in history.follow(tick, troubles) for row in same]
        after = found[-1].number
    return rows


def _series(catalog: Catalog, name: str, rows: list[EntityRow]) -> Series:
    values = numpy.array([one.row.values for one in rows], dtype=numpy.float64)
    return Series(
        entity=name,
        values=values.astype(numpy.float32),
        observed=numpy.array([one.row.observed for one in rows], dtype=numpy.bool_),
        active=numpy.array([one.active for one in rows], dtype=numpy.bool_),
        labelled_from=0,
        first_slot=rows[0].row.slot,
        business=business_of(catalog, [one.service for one in rows], values),
    )
