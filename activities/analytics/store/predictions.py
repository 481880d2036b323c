"""Alarms of predictions, what became of them, and the incidents that predictions are held against."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlmodel import Session, col

from activities.analytics.store.engine import Store
from models.base import Frozen, Time
from models.prediction import Alarm, Risk
from models.tables import AlarmRow, IncidentRow, metadata

KEPT = timedelta(days=180)
"""Of alarms."""


class Trouble(Frozen):
    """When an incident of a service was open."""

    region: str
    service: str
    received_at: Time
    ended_at: Time | None


class KeptAlarm(Frozen):
    alarm: Alarm
    came_true: bool | None
    """Whether an incident began within its horizon; none while that is not known."""
    risk: Risk | None
    """What was at risk; none until that has been looked at."""


def raise_alarms(store: Store, alarms: Sequence[Alarm]) -> list[Alarm]:
    """Keep those of *alarms* that are new: of a service that has none whose horizon lasts. Returns them, and those that
    were kept under the same id: whoever tries again may not have told of them. Old ones are forgotten."""
    told: list[Alarm] = []
    with store.write_in_background() as connection, Session(connection) as session:
        for alarm in alarms:
            if (kept := session.get(AlarmRow, alarm.id)) is not None:
                told.append(Alarm.model_validate(kept.alarm))
                continue
            of_service = (col(AlarmRow.region) == alarm.region, col(AlarmRow.service) == alarm.service)
            lasting = select(col(AlarmRow.id)).where(
                *of_service, col(AlarmRow.until) > alarm.at, col(AlarmRow.at) <= alarm.at
            )
            if session.scalars(lasting).first() is None:
                values = {name: getattr(alarm, name) for name in ("id", "region", "service", "at", "until")}
                session.add(AlarmRow(**values, alarm=alarm.model_dump(mode="json")))
                session.flush()
                told.append(alarm)
                over = (col(AlarmRow.settled_at).is_not(None), col(AlarmRow.at) < alarm.at - KEPT)
                connection.execute(delete(AlarmRow).where(*over))
    return told


def note_risk(store: Store, alarm: str, risk: Risk) -> None:
    """Keep what is at risk with the alarm of this id."""
    with store.write_in_background() as connection:
        kept = update(AlarmRow).where(col(AlarmRow.id) == alarm)
        connection.execute(kept.values(risk=risk.model_dump(mode="json")))


def settle(store: Store, region: str, now: datetime, wait: timedelta) -> list[bool]:
    """Note of every alarm whose horizon is over whether an incident began within it, and tell of each. *wait*: how long
    the row of an incident may take to come."""
    over = (col(AlarmRow.region) == region, col(AlarmRow.settled_at).is_(None), col(AlarmRow.until) <= now - wait)
    with store.read() as connection, Session(connection) as session:
        if session.scalars(select(col(AlarmRow.id)).where(*over)).first() is None:
            return []
    with store.write_in_background() as connection, Session(connection) as session:
        rows = session.scalars(select(AlarmRow).where(*over)).all()
        for row in rows:
            began = (
                col(IncidentRow.region) == row.region,
                col(IncidentRow.service) == row.service,
                col(IncidentRow.received_at) >= row.at,
                col(IncidentRow.received_at) < row.until,
            )
            row.came_true = session.scalars(select(col(IncidentRow.id)).where(*began)).first() is not None
            row.settled_at = now
            session.add(row)
        session.flush()
        return [bool(row.came_true) for row in rows]


def alarms(store: Store, region: str | None = None, service: str | None = None, limit: int = 50) -> list[KeptAlarm]:
    """The newest first."""
    query = select(AlarmRow).order_by(col(AlarmRow.at).desc(), col(AlarmRow.id).desc()).limit(limit)
    if region is not None:
        query = query.where(col(AlarmRow.region) == region)
    if service is not None:
        query = query.where(col(AlarmRow.service) == service)
    with store.read() as connection, Session(connection) as session:
        return [_kept(row) for row in session.scalars(query)]


def alarm(store: Store, id: str) -> KeptAlarm | None:
    with store.read() as connection, Session(connection) as session:
        row = session.get(AlarmRow, id)
        return _kept(row) if row else None


def troubles(store: Store, region: str, since: datetime) -> list[Trouble]:
    """The incidents of a region that were open at *since* or began later, oldest first."""
    columns = [metadata.tables["incidents"].c[name] for name in Trouble.model_fields]
    open_then = col(IncidentRow.ended_at).is_(None) | (col(IncidentRow.ended_at) >= since)
    query = select(*columns).where(col(IncidentRow.region) == region, open_then).order_by(col(IncidentRow.received_at))
    with store.read() as connection:
        return [Trouble.model_validate(row, from_attributes=True) for row in connection.execute(query)]


def _kept(row: AlarmRow) -> KeptAlarm:
    risk = None if row.risk is None else Risk.model_validate(row.risk)
    return KeptAlarm(alarm=Alarm.model_validate(row.alarm), came_true=row.came_true, risk=risk)
