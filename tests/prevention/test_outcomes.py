"""What became of preventions: known once their horizon is over, and counted for the sign that the action answers to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ulid import ULID

from activities.analytics.store import Store, migrate, open_store
from activities.analytics.store.journal import append
from activities.analytics.store.preventions import outcomes
from activities.predictor.prevention import answered_sign
from models.catalog import Policy
from models.journal import JournalEntry
from models.prediction import Risk
from models.prevention import Action, Prevention, Sign
from models.prevention_run import PreventionActs, PreventionPhase, PreventionResult, PreventionStart

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
MONTH = timedelta(days=30)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(opened)
    yield opened
    opened.close()


def prevented(
    store: Store, ago: timedelta, phase: PreventionPhase | None = PreventionPhase.UNDONE, acts: bool = True
) -> str:
    """A prevention of payments for half an hour; without a *phase* it has not ended."""
    id, at = str(ULID.from_datetime(NOW - ago)), NOW - ago
    risk = Risk(
        service="payments",
        region="eu",
        probability=0.4,
        loss=None,
        revenue=None,
        revenue_per_minute=None,
        customers=None,
        source=None,
        age=None,
        unknown=(),
        sentence="it is likely",
    )
    start = PreventionStart(
        incident=id,
        region="eu",
        service="payments",
        catalog="c",
        policy=Policy(),
        risk=risk,
        prevention=Prevention(options=(), chosen=Action.SCALE, sentence="scale", signs={Sign.LOAD: 0.7}),
        seconds=1800,
    )
    told = {"prevention-started": start.model_dump(mode="json")}
    if acts:
        one = PreventionActs(region="eu", service="payments", action=Action.SCALE, dollars=1, seconds=1800)
        told["prevention-acts"] = one.model_dump(mode="json")
    if phase is not None:
        result = PreventionResult(incident=id, phase=phase, sentence="over", action=Action.SCALE, steps=())
        told["prevention-ended"] = result.model_dump(mode="json")
    append(
        store,
        [
            JournalEntry(incident=id, source="w", source_seq=place, kind=kind, at=at, payload=payload)
            for place, (kind, payload) in enumerate(told.items(), 1)
        ],
    )
    return id


def begin(store: Store, at: datetime, service: str = "payments") -> None:
    id = str(ULID.from_datetime(at))
    known = {"severity": "critical", "level": "full", "catalog": "c", "reason": "errors", "region": "eu"}
    payload = {**known, "workflow": id, "service": service, "received_at": at.isoformat()}
    started = JournalEntry(incident=id, source="w", source_seq=1, kind="incident-started", at=at, payload=payload)
    append(store, [started])


def test_what_became_of_one_is_known_when_its_horizon_is_over(store: Store) -> None:
    over = prevented(store, timedelta(minutes=31))
    prevented(store, timedelta(minutes=29))
    prevented(store, timedelta(minutes=40), phase=None)
    prevented(store, timedelta(minutes=50), acts=False)
    prevented(store, timedelta(days=31))
    found = outcomes(store, NOW - MONTH, NOW)
    assert [one.start.incident for one in found] == [over]
    assert (found[0].incident, found[0].harmed) == (False, False)


def test_an_incident_within_the_horizon_came_nevertheless(store: Store) -> None:
    prevented(store, timedelta(minutes=60))
    begin(store, NOW - timedelta(minutes=61))
    begin(store, NOW - timedelta(minutes=45), service="ledger")
    begin(store, NOW - timedelta(minutes=29))
    assert [one.incident for one in outcomes(store, NOW - MONTH, NOW)] == [False]
    begin(store, NOW - timedelta(minutes=30))
    assert [one.incident for one in outcomes(store, NOW - MONTH, NOW)] == [True]


@pytest.mark.parametrize(
    ("phase", "harmed"),
    [(PreventionPhase.FAILED, True), (PreventionPhase.HELD, True), (PreventionPhase.HANDED_OVER, False)],
)
def test_an_action_that_failed_or_cannot_be_taken_back_has_done_harm(
    store: Store, phase: PreventionPhase, harmed: bool
) -> None:
    prevented(store, timedelta(minutes=60), phase)
    assert [one.harmed for one in outcomes(store, NOW - MONTH, NOW)] == [harmed]


def test_it_is_counted_for_the_strongest_sign_that_the_action_answers_to() -> None:
    shares = {Sign.ERRORS: 0.5, Sign.LOAD: 0.1, Sign.SATURATION: 0.3}
    assert answered_sign(Action.SCALE, shares) is Sign.SATURATION
    assert answered_sign(Action.WARM, {Sign.LOAD: 0.1}) is None
