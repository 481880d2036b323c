"""What preventions have spent of their budget, as their journals tell."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from sqlalchemy import select
from ulid import ULID

from activities.analytics.store.engine import Store
from models.prevention import Spent
from models.prevention_run import PreventionActs
from models.tables import metadata

ACTS = "prevention-acts"

DAY, HOUR = timedelta(days=1), timedelta(hours=1)

LONGEST_WAIT = DAY
"""Between a prevention's beginning and its acts: that a person may take to approve it."""

_events = metadata.tables["events"]


def spent(store: Store, region: str, service: str, now: datetime) -> Spent:
    """In the hour and in the day before *now*. Raises :class:`~activities.analytics.store.engine.StoreUnavailable`.

    A chain's name is a ULID, so those that began before sort before: only what is young is read.
    """
    oldest = str(ULID.from_datetime(now - DAY - LONGEST_WAIT))[:10]
    query = select(_events.c.at, _events.c.payload).where(
        _events.c.incident >= oldest, _events.c.kind == ACTS, _events.c.payload.is_not(None)
    )
    with store.read() as connection:
        rows = connection.execute(query).all()
    acts = [(row.at, PreventionActs.model_validate(json.loads(row.payload), extra="ignore")) for row in rows]
    ours = [(at, one) for at, one in acts if (one.region, one.service) == (region, service) and at > now - DAY]
    return Spent(dollars=sum(one.dollars for at, one in ours if at > now - HOUR), actions=len(ours))
