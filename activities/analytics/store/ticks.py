"""What was measured of a region's services, interval by interval, and what was predicted of them then.

One row holds an interval of all services: a month of one-minute intervals is 43,200 rows, however many services.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, update
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
    abstained: dict[str, str] | None = None
    """By service, why nothing was."""
    model: int | None = None


def latest_signals(store: Store, region: str, interval: int) -> dict[str, Signals]:
    """The counts with which the last interval ended; empty where there was none."""
    with store.read() as connection, Session(connection) as session:
        row = session.get(SignalsRow, (region, interval))
        return {name: Signals.model_validate(value) for name, value in row.signals.items()} if row else {}


def keep(store: Store, region: str, interval: int, tick: Tick, signals: Mapping[str, Signals]) -> bool:
    """Keep an interval, and the counts with which it ended, where they are newer than those that are kept: what shows
    nothing new is no beginning of the next interval. False: it was kept before, and all stays as it is."""
    with store.write_in_background() as connection, Session(connection) as session:
        serialise(connection, f"sternway:ticks:{region}")
        if session.get(TickRow, (region, interval, tick.number)) is not None:
            return False
        samples: dict[str, Any] = dict(tick.samples)
        session.add(TickRow(region=region, interval_s=interval, number=tick.number, at=tick.at, samples=samples))
        kept = session.get(SignalsRow, (region, interval)) or SignalsRow(region=region, interval_s=interval, signals={})
        before = {name: Signals.model_validate(value) for name, value in kept.signals.items() if name in samples}
        newer = {name: new for name, new in signals.items() if name not in before or new.at > before[name].at}
        kept.signals = {name: value.model_dump(mode="json") for name, value in (before | newer).items()}
        session.add(kept)
        session.flush()
        _forget_old(connection, region, interval)
        return True


def _forget_old(connection: Connection, region: str, interval: int) -> None:
    """Those that are as old as the first one for which there is no room. By count, and not by the clock: one that was
    wrong for a while costs no more than it has added."""
    room = int(KEPT.total_seconds()) // interval
    of_interval = (col(TickRow.region) == region, col(TickRow.interval_s) == interval)
    query = select(col(TickRow.at)).where(*of_interval).order_by(col(TickRow.number).desc()).offset(room).limit(1)
    over = connection.scalar(query)
    if over is not None:
        connection.execute(delete(TickRow).where(col(TickRow.region) == region, col(TickRow.at) <= over))


def predicted(
    store: Store,
    region: str,
    interval: int,
    number: int,
    model: int | None,
    probabilities: Mapping[str, float],
    abstained: Mapping[str, str],
) -> None:
    """Note what *model* said in an interval that was kept; none: why no model did. What was noted first stays."""
    place = (col(TickRow.region) == region, col(TickRow.interval_s) == interval, col(TickRow.number) == number)
    with store.write_in_background() as connection:
        noted = update(TickRow).where(*place, col(TickRow.abstained).is_(None))
        connection.execute(noted.values(model=model, probabilities=dict(probabilities), abstained=dict(abstained)))


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
