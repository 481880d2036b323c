"""What was measured of a region's services, interval by interval, and what was predicted of them then.

One row holds an interval of all services: a month of one-minute intervals is 43,200 rows, however many services.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlmodel import Session, col

from activities.analytics.store.engine import Store, serialise
from models.base import Frozen, Time
from models.tables import SignalsRow, TickRow
from models.telemetry import Signals

KEPT = timedelta(days=35)
"""Five weeks: what happens on one day of the week is seen five times."""

Reading = tuple[float | None, ...] | str
"""Of one service: when it was sampled (seconds since 1970), and the values in the order of the metrics; or why there is
no sample."""


class Tick(Frozen):
    """One interval of one region."""

    number: int
    """Intervals since 1970."""
    at: Time
    samples: dict[str, Reading]
    """By service."""
    probabilities: dict[str, float] | None = None
    """Of what was predicted then."""
    model: int | None = None


def latest_signals(store: Store, region: str, interval: int) -> dict[str, Signals]:
    """The counts with which the last interval ended; empty where there was none."""
    with store.read() as connection, Session(connection) as session:
        row = session.get(SignalsRow, (region, interval))
        return {name: Signals.model_validate(value) for name, value in row.signals.items()} if row else {}


def keep(store: Store, region: str, interval: int, tick: Tick, signals: Mapping[str, Signals]) -> bool:
    """Keep an interval, and the counts with which it ended. False: it was kept before, and stays as it is."""
    with store.write_in_background() as connection, Session(connection) as session:
        serialise(connection, f"sternway:ticks:{region}")
        if session.get(TickRow, (region, interval, tick.number)) is not None:
            return False
        samples: dict[str, Any] = dict(tick.samples)
        session.add(TickRow(region=region, interval_s=interval, number=tick.number, at=tick.at, samples=samples))
        kept = session.get(SignalsRow, (region, interval)) or SignalsRow(region=region, interval_s=interval, signals={})
        kept.signals = kept.signals | {name: value.model_dump(mode="json") for name, value in signals.items()}
        session.add(kept)
        session.flush()
        over = (col(TickRow.region) == region, col(TickRow.at) < tick.at - KEPT)
        connection.execute(delete(TickRow).where(*over))
        return True


def predicted(
    store: Store, region: str, interval: int, number: int, model: int, probabilities: Mapping[str, float]
) -> None:
    """Note what *model* predicted in an interval that was kept. What was noted first stays."""
    place = (col(TickRow.region) == region, col(TickRow.interval_s) == interval, col(TickRow.number) == number)
    with store.write_in_background() as connection:
        noted = update(TickRow).where(*place, col(TickRow.model).is_(None))
        connection.execute(noted.values(model=model, probabilities=dict(probabilities)))


def ticks(store: Store, region: str, interval: int, after: int, limit: int) -> list[Tick]:
    """At most *limit* intervals later than number *after*, oldest first."""
    place = (col(TickRow.region) == region, col(TickRow.interval_s) == interval, col(TickRow.number) > after)
    query = select(TickRow).where(*place).order_by(col(TickRow.number)).limit(limit)
    with store.read() as connection, Session(connection) as session:
        return [_tick(row) for row in session.scalars(query)]


def latest(store: Store, region: str, interval: int) -> Tick | None:
    """The last interval that was kept."""
    place = (col(TickRow.region) == region, col(TickRow.interval_s) == interval)
    query = select(TickRow).where(*place).order_by(col(TickRow.number).desc()).limit(1)
    with store.read() as connection, Session(connection) as session:
        row = session.scalars(query).first()
        return _tick(row) if row else None


def _tick(row: TickRow) -> Tick:
    return Tick.model_validate({field: getattr(row, field) for field in Tick.model_fields})
