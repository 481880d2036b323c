"""Journal entries as an incident's workflows write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from models.journal import JournalEntry

START = datetime(2026, 11, 23, 12, 0, 0, 5, tzinfo=UTC)


def entry(kind: str, number: int = 1, *, incident: str = "I", source: str = "incident", **payload: Any) -> JournalEntry:
    at = START + timedelta(seconds=number)
    return JournalEntry(incident=incident, source=source, source_seq=number, kind=kind, at=at, payload=payload)


def started(number: int = 1, *, incident: str = "I") -> JournalEntry:
    return entry(
        "incident-started",
        number,
        incident=incident,
        workflow="incident:eu:payments:0123456789ab",
        region="eu",
        service="payments",
        severity="critical",
        level="full",
        catalog="digest",
        received_at=START.isoformat(),
        reason="Burn",
        alerts=[{"id": 1}, {"id": 2}],
        modules={"predictor": True},
    )


def step(
    number: int, name: str, status: str, *, incident: str = "I", source: str = "rollback:payments"
) -> JournalEntry:
    return entry(
        "step", number, incident=incident, source=source, step=name, title=name.title(), module="mesh", status=status
    )


def held(release: str, number: int = 1, *, incident: str = "I") -> JournalEntry:
    named = {"service": "payments", "region": "eu", "release": release}
    return entry("release-held", number, incident=incident, **named, by="Sternway", reason="rolled back to v1")


def ended(number: int, *, incident: str = "I") -> JournalEntry:
    return entry(
        "incident-ended",
        number,
        incident=incident,
        phase="resolved",
        sentence="payments in eu is verified healthy",
        strategy="immediate",
        target="v1",
        verdict={"finding": "pass", "sentence": "0 of 500 failed", "evidence": []},
        steps=[],
        milestones={"received": START.isoformat(), "ended": (START + timedelta(seconds=9)).isoformat()},
    )
