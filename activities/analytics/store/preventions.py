"""What preventions have spent of their budget, and what has become of them, as their journals tell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, select, text
from sqlmodel import col
from ulid import ULID

from activities.analytics.store.engine import Store
from models.base import Frozen, Time
from models.prevention import Spent
from models.prevention_run import PreventionActs, PreventionPhase, PreventionResult, PreventionStart
from models.tables import OF_PREVENTIONS, IncidentRow, metadata

STARTED, ACTS, ENDED = "prevention-started", "prevention-acts", "prevention-ended"

DAY, HOUR = timedelta(days=1), timedelta(hours=1)

LONGEST_WAIT = DAY
"""Between a prevention's beginning and its acts: that a person may take to approve it."""

_events = metadata.tables["events"]


@dataclass(frozen=True)
class _Told:
    """One entry of a prevention's journal."""

    incident: str
    kind: str
    at: datetime
    payload: str


class Outcome(Frozen):
    """Of a prevention whose horizon is over."""

    start: PreventionStart
    acts: PreventionActs
    at: Time
    """When it acted."""
    incident: bool
    """Whether one began within the horizon nevertheless."""
    harmed: bool
    """Whether the action itself was refused, or could not be taken back."""


def spent(store: Store, region: str, service: str, now: datetime) -> Spent:
    """In the hour and in the day before *now*. Raises :class:`~activities.analytics.store.engine.StoreUnavailable`."""
    acts = [(row.at, _acts(row)) for row in _told(store, now - DAY - LONGEST_WAIT, ACTS)]
    ours = [(at, one) for at, one in acts if (one.region, one.service) == (region, service) and at > now - DAY]
    return Spent(dollars=sum(_since(at, one, now - HOUR) for at, one in ours), actions=len(ours))


def _since(at: datetime, acts: PreventionActs, begun: datetime) -> float:
    """US dollars of the part that falls after *begun*; what is still to come is part of it."""
    if at > begun:
        return acts.dollars
    return 0.0 if not acts.seconds else acts.dollars * max(0.0, 1 - (begun - at).total_seconds() / acts.seconds)


def outcomes(store: Store, since: datetime, now: datetime) -> list[Outcome]:
    """Of all preventions that were begun since then and have acted, once their horizon is over."""
    told = _told(store, since, STARTED, ACTS, ENDED)
    by_kind = {kind: {row.incident: row for row in told if row.kind == kind} for kind in (STARTED, ACTS, ENDED)}
    found: list[Outcome] = []
    for id, row in by_kind[ACTS].items():
        started, ended = by_kind[STARTED].get(id), by_kind[ENDED].get(id)
        if started is None or ended is None:
            continue
        start = PreventionStart.model_validate(json.loads(started.payload), extra="ignore")
        result = PreventionResult.model_validate(json.loads(ended.payload), extra="ignore")
        until = row.at + timedelta(seconds=start.seconds)
        if until <= now:
            incident = _began(store, start, row.at, until)
            harmed = result.phase in (PreventionPhase.FAILED, PreventionPhase.HELD)
            found.append(Outcome(start=start, acts=_acts(row), at=row.at, incident=incident, harmed=harmed))
    return found


def _told(store: Store, since: datetime, *kinds: str) -> list[_Told]:
    """What preventions that were begun since then have told. A chain's name is a ULID, so older ones sort before."""
    oldest = str(ULID.from_datetime(since))[:10]
    query = select(_events.c.incident, _events.c.kind, _events.c.at, _events.c.payload).where(
        _events.c.incident >= oldest,
        text(OF_PREVENTIONS),
        _events.c.kind.in_(kinds),
        _events.c.payload.is_not(None),
    )
    with store.read() as connection:
        return [_Told(*row) for row in connection.execute(query)]


def _acts(row: _Told) -> PreventionActs:
    return PreventionActs.model_validate(json.loads(row.payload), extra="ignore")


def _began(store: Store, start: PreventionStart, after: datetime, until: datetime) -> bool:
    began = (
        col(IncidentRow.region) == start.region,
        col(IncidentRow.service) == start.service,
        col(IncidentRow.received_at) > after,
        col(IncidentRow.received_at) <= until,
    )
    with store.read() as connection:
        return connection.execute(select(exists().where(*began))).scalar_one()
