"""What a plan may want to know of the past, read from the rows in one go."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from activities.analytics.store import deployments, holds, points
from activities.analytics.store.engine import Store
from models.deployment import Deployment
from models.hold import Hold, RolledAway
from models.incident import Milestone, Phase
from models.point import ProvenRelease, RollbackPoint
from models.recollection import Recollection
from models.tables import EventRow, IncidentRow

POINTS = 200
"""Points that are looked at."""

RELEASES = 5
"""The newest that are recalled of those that have proven themselves: a target, and others in case that is closed."""

HOLDS = 15
"""Releases whose newest hold is recalled. One that is missing would open its release, so there are far more than a
service has failing releases in a row."""

DEPLOYMENTS = 20
"""The newest that are recalled. What is asked is what changed last and what was before, not what was years ago."""

LOOKED_AT = 200
"""Newest incidents whose durations count."""

FEWEST = 5
"""Durations of a strategy, below which there is no saying what 95 of 100 take."""


def recall(store: Store, service: str, region: str, now: datetime) -> Recollection:
    """Raises :class:`~activities.analytics.store.engine.StoreUnavailable`."""
    made = [kept.point for kept in points.points(store, service, region, POINTS)]
    return Recollection(
        points=_newest_of_each_release(point for point in made if point.usable(now))[:RELEASES],
        holds=_newest_hold_of_each_release(holds.standing(store, service, region))[:HOLDS],
        deployments=tuple(
            Deployment(release=event.release, at=event.at)
            for event in deployments.deployments(store, service, region, DEPLOYMENTS)
        ),
        durations=_high(_durations(store, None)) | _high(_durations(store, service)),
    )


def percentile_95(durations: Sequence[float]) -> float | None:
    """The nearest rank: 95 of 100 took no longer. None for fewer than :data:`FEWEST`."""
    return sorted(durations)[math.ceil(0.95 * len(durations)) - 1] if len(durations) >= FEWEST else None


def _high(durations: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {strategy: high for strategy, taken in durations.items() if (high := percentile_95(taken)) is not None}


def _newest_of_each_release(newest_first: Iterable[RollbackPoint]) -> tuple[ProvenRelease, ...]:
    found: dict[str, RollbackPoint] = {}
    for point in newest_first:
        found.setdefault(point.release, point)
    return tuple(
        ProvenRelease(release=point.release, taken_at=point.taken_at, expires_at=point.expires_at)
        for point in found.values()
    )


def _newest_hold_of_each_release(newest_first: Iterable[Hold]) -> tuple[RolledAway, ...]:
    """A release that is rolled away from again and again, because something deploys it again, pushes no other out."""
    found: dict[str, Hold] = {}
    for hold in newest_first:
        found.setdefault(hold.release, hold)
    return tuple(RolledAway(release=hold.release, since=hold.since, incident=hold.incident) for hold in found.values())


def _durations(store: Store, service: str | None) -> dict[str, list[float]]:
    """Seconds by strategy, of the newest incidents that were resolved by a rollback; of all services for None."""
    resolved = select(IncidentRow).where(
        col(IncidentRow.phase) == Phase.RESOLVED, col(IncidentRow.strategy).is_not(None)
    )
    if service is not None:
        resolved = resolved.where(col(IncidentRow.service) == service)
    newest = resolved.order_by(col(IncidentRow.received_at).desc()).limit(LOOKED_AT)
    with store.read() as connection, Session(connection) as session:
        rows = {row.id: row for row in session.scalars(newest)}
        courses = _courses(session, rows)
    taken: dict[str, list[float]] = {}
    for incident, row in rows.items():
        contained = row.milestones.get(Milestone.CONTAINED)
        lasted = _lasted(courses.get(incident, ()), datetime.fromisoformat(contained)) if contained else None
        if row.strategy and lasted is not None:
            taken.setdefault(row.strategy, []).append(lasted)
    return taken


def _lasted(course: Sequence[tuple[str, datetime]], contained: datetime) -> float | None:
    """Seconds from the first step until *contained*; none for a rollback that waited for a person in between."""
    before = [(what, at) for what, at in course if at <= contained]
    began = next((place for place, (what, _) in enumerate(before) if what == Phase.EXECUTING), None)
    if began is None or {Phase.HELD, Phase.AWAITING_APPROVAL, "pause"} & {what for what, _ in before[began:]}:
        return None
    return (contained - before[began][1]).total_seconds()


def _courses(session: Session, incidents: Iterable[str]) -> dict[str, list[tuple[str, datetime]]]:
    """The phases that each entered and what people told it, and when, as far as its journal was not erased."""
    kinds = {"phase": "phase", "operator": "action"}
    told = select(EventRow).where(col(EventRow.incident).in_(list(incidents)), col(EventRow.kind).in_(list(kinds)))
    found: dict[str, list[tuple[str, datetime]]] = {}
    for event in session.scalars(told.order_by(col(EventRow.incident), col(EventRow.seq))):
        if event.payload is not None:
            found.setdefault(event.incident, []).append((json.loads(event.payload)[kinds[event.kind]], event.at))
    return found
