"""At most one version of the model predicts, the one before it is a way back, and an alarm is told once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from activities.analytics.store import Store, prediction_models, predictions
from activities.analytics.store.journal import append
from models.base import SternwayError
from models.journal import JournalEntry
from models.prediction import Alarm, Model, ModelStatus

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WAIT = timedelta(minutes=2)


def later(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def learned(store: Store, bundle: bytes) -> Model:
    return prediction_models.add(store, "d" * 64, {"brier_skill": 0.1}, bundle, "learned", NOW)


def statuses(store: Store) -> dict[int, ModelStatus]:
    return {model.version: model.status for model in prediction_models.models(store)}


def test_a_version_predicts_once_it_is_promoted_and_the_one_before_is_a_way_back(store: Store) -> None:
    assert prediction_models.current(store) is None
    one, two = learned(store, b"one"), learned(store, b"two")
    assert one.status is ModelStatus.CHALLENGER
    prediction_models.promote(store, one.version, "the first one", later(1))
    promoted = prediction_models.promote(store, two.version, "better by .02", later(2))
    assert (promoted.status, promoted.because, promoted.since) == (ModelStatus.CURRENT, "better by .02", later(2))
    assert prediction_models.current(store) == promoted
    assert statuses(store) == {one.version: ModelStatus.FORMER, two.version: ModelStatus.CURRENT}
    assert prediction_models.bundle(store, two.version) == b"two"


def test_a_current_version_that_is_refused_gives_its_place_back(store: Store) -> None:
    versions = [learned(store, name).version for name in (b"one", b"two", b"three")]
    for minute, version in enumerate(versions):
        prediction_models.promote(store, version, "better", later(minute))
    prediction_models.refuse(store, versions[2], "worse than it promised", later(9))
    assert statuses(store)[versions[2]] is ModelStatus.REFUSED
    current = prediction_models.current(store)
    assert current is not None
    assert current.version == versions[1]
    assert "worse than it promised" in current.because


def test_a_challenger_that_is_refused_changes_nothing_else(store: Store) -> None:
    one, two = learned(store, b"one"), learned(store, b"two")
    prediction_models.promote(store, one.version, "the first one", NOW)
    prediction_models.refuse(store, two.version, "no gain", NOW)
    assert statuses(store) == {one.version: ModelStatus.CURRENT, two.version: ModelStatus.REFUSED}


def test_saying_it_twice_changes_nothing(store: Store) -> None:
    one, two = learned(store, b"one"), learned(store, b"two")
    assert learned(store, b"one") == one, "the same is kept once"
    for version in (one.version, two.version):
        prediction_models.promote(store, version, "better", NOW)
    again = prediction_models.promote(store, two.version, "once more", later(5))
    assert (again.because, again.since) == ("better", NOW)
    for minute in (1, 2):
        prediction_models.refuse(store, two.version, "worse", later(minute))
    assert statuses(store) == {one.version: ModelStatus.CURRENT, two.version: ModelStatus.REFUSED}


def test_of_what_was_not_taken_the_newest_are_kept(store: Store) -> None:
    for minute, name in enumerate((b"former", b"current")):
        prediction_models.promote(store, learned(store, name).version, "better", later(minute))
    for number in range(prediction_models.KEPT + 3):
        refused = learned(store, b"refused %d" % number)
        prediction_models.refuse(store, refused.version, "no gain", later(number))
    newest = learned(store, b"given up")
    kept = statuses(store)
    assert list(kept.values()).count(ModelStatus.REFUSED) == prediction_models.KEPT - 1
    assert kept[newest.version] is ModelStatus.CHALLENGER
    assert {ModelStatus.FORMER, ModelStatus.CURRENT} <= set(kept.values())


def test_the_way_back_is_the_version_that_a_refusal_leads_to(store: Store) -> None:
    one, two, three = (learned(store, name) for name in (b"one", b"two", b"three"))
    for minute, model in enumerate((one, two, one, three)):
        prediction_models.promote(store, model.version, "better", later(minute))
    back = prediction_models.way_back(store)
    prediction_models.refuse(store, three.version, "worse", later(9))
    current = prediction_models.current(store)
    assert back is not None and current is not None
    assert back.version == current.version == one.version


def test_a_version_that_nobody_knows_is_named(store: Store) -> None:
    with pytest.raises(SternwayError, match="no version 7 of the model; see `sternway predict models`"):
        prediction_models.promote(store, 7, "", NOW)
    with pytest.raises(SternwayError, match="no version 7"):
        prediction_models.bundle(store, 7)


def alarm(number: int, minutes: float, service: str = "payments") -> Alarm:
    return Alarm(
        id=f"eu/{service}/{number}",
        region="eu",
        service=service,
        at=later(minutes),
        until=later(minutes + 30),
        model=1,
        probability=0.4,
        threshold=0.3,
    )


def test_a_service_has_one_alarm_until_its_horizon_is_over(store: Store) -> None:
    assert predictions.raise_alarms(store, [alarm(1, 0), alarm(1, 0, "ledger")]) == [alarm(1, 0), alarm(1, 0, "ledger")]
    assert predictions.raise_alarms(store, [alarm(2, 29)]) == []
    assert predictions.raise_alarms(store, [alarm(3, 30)]) == [alarm(3, 30)]
    assert [kept.alarm for kept in predictions.alarms(store, "eu", "payments")] == [alarm(3, 30), alarm(1, 0)]


def test_an_interval_that_is_tried_again_tells_of_its_alarm_again(store: Store) -> None:
    predictions.raise_alarms(store, [alarm(1, 0)])
    unlike = alarm(1, 0).model_copy(update={"probability": 0.39})
    assert predictions.raise_alarms(store, [unlike]) == [alarm(1, 0)], "as it was kept"
    assert len(predictions.alarms(store)) == 1


def test_alarms_are_kept_for_half_a_year(store: Store) -> None:
    predictions.raise_alarms(store, [alarm(1, 0)])
    predictions.raise_alarms(store, [alarm(2, 200 * 1440)])
    assert len(predictions.alarms(store)) == 2, "what has become of it is not known yet"
    predictions.settle(store, "eu", later(201 * 1440), timedelta(0))
    predictions.raise_alarms(store, [alarm(3, 201 * 1440)])
    assert [kept.alarm.id for kept in predictions.alarms(store)] == ["eu/payments/3", "eu/payments/2"]


def test_what_has_become_of_an_alarm_is_known_once_its_horizon_is_over(store: Store) -> None:
    predictions.raise_alarms(store, [alarm(1, 0), alarm(1, 0, "ledger")])
    begin(store, "payments", later(12))
    assert predictions.settle(store, "eu", later(31), WAIT) == []
    assert predictions.settle(store, "us", later(32), WAIT) == []
    assert sorted(predictions.settle(store, "eu", later(32), WAIT)) == [False, True]
    assert predictions.settle(store, "eu", later(33), WAIT) == []
    assert {kept.alarm.service: kept.came_true for kept in predictions.alarms(store)} == {
        "payments": True,
        "ledger": False,
    }


def test_an_incident_that_began_before_or_after_is_none_that_was_predicted(store: Store) -> None:
    predictions.raise_alarms(store, [alarm(1, 0)])
    for minutes in (-1, 30):
        begin(store, "payments", later(minutes))
    predictions.settle(store, "eu", later(60), WAIT)
    assert [kept.came_true for kept in predictions.alarms(store)] == [False]
    assert [trouble.received_at for trouble in predictions.troubles(store, "eu", later(-60))] == [later(-1), later(30)]


def begin(store: Store, service: str, at: datetime) -> None:
    id = f"{service}-{at:%H%M}"
    known = {"severity": "critical", "level": "full", "catalog": "c", "reason": "errors", "region": "eu"}
    payload = {**known, "workflow": id, "service": service, "received_at": at.isoformat()}
    append(
        store, [JournalEntry(incident=id, source="w", source_seq=1, kind="incident-started", at=at, payload=payload)]
    )
