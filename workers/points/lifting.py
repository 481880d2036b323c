"""Lifting a hold: by a person's word, or because a newer release has ended it."""

from __future__ import annotations

from datetime import UTC, datetime

from ulid import ULID

from activities.analytics.store import Store
from activities.analytics.store.journal import append
from models.hold import Hold
from models.journal import HoldLifted, JournalEntry


def lift(store: Store, hold: Hold, by: str, reason: str) -> None:
    """Lift the hold through the journal of the incident that began it: who and why is proven there."""
    lifted = HoldLifted(service=hold.service, region=hold.region, release=hold.release, by=by, reason=reason)
    entry = JournalEntry(
        incident=hold.incident,
        source=f"holds/{ULID()}",
        source_seq=0,
        kind="hold-lifted",
        at=datetime.now(UTC),
        payload=lifted.model_dump(mode="json"),
    )
    append(store, [entry])
