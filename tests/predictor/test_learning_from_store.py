"""From what is kept of services to a model that warns of their incidents, and back from one that does worse."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities.analytics.store import Store, migrate, open_store, prediction_models, predictions
from activities.catalogs import Catalogs
from activities.directory import Directory
from activities.predictor import contract
from activities.predictor.challenging import examine, learn
from activities.predictor.learning.calibration import Platt
from activities.predictor.predicting import NO_MODEL, PredictingActivities
from activities.predictor.replaying import replay, standing
from activities.predictor.serving.bundle import ARRAYS, DETECTORS, MANIFEST, MEMBERS, pack, pack_arrays, read
from activities.predictor.stored import kept
from models.catalog_file import LoadedCatalog
from models.prediction import Alarm, Forecasts, ModelStatus
from tests.predictor.conftest import KeptStore
from tests.predictor.kept_services import FIRST, INTERVAL, LAST, NOW, catalog, fill, incidents

MONTH = timedelta(days=35)


@pytest.fixture(scope="module")
def store(kept_store: KeptStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = open_store(kept_store.copied(tmp_path_factory.mktemp("copied")))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def learned(kept_store: KeptStore) -> contract.Learned:
    return kept_store.learned


async def predict(store: Store, number: int, loaded: LoadedCatalog | None = None) -> Forecasts:
    loaded = loaded or catalog()
    directory = Directory(Catalogs(loaded, lambda _: None), protect="", operate="")
    request = contract.PredictRequest(region="eu", catalog=loaded.digest, number=number)
    return await PredictingActivities(directory, store).predict(request)


async def test_without_a_model_nothing_is_predicted_and_the_reason_is_told(tmp_path: Path) -> None:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(opened)
    forecasts = await predict(opened, LAST)
    opened.close()
    assert (forecasts.model, forecasts.probabilities, forecasts.alarms) == (None, {}, ())
    assert forecasts.abstained == {"payments": NO_MODEL, "ledger": NO_MODEL}


def test_too_little_is_told_and_nothing_is_learned(tmp_path: Path) -> None:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(opened)
    fill(opened, until=FIRST + 20)
    found = learn(opened, catalog().catalog, lambda _: None)
    opened.close()
    assert found.version is None
    assert "no service has been measured for 2 days" in found.because


def test_what_is_learned_is_better_than_nothing_on_what_it_has_not_seen(
    store: Store, learned: contract.Learned
) -> None:
    assert learned.better, learned.because
    assert learned.version is not None
    model = prediction_models.models(store)[0]
    assert (model.version, model.status) == (learned.version, ModelStatus.CHALLENGER)
    assert model.figures["brier_skill"] > 0
    assert model.figures["recall"] > model.figures["recall_by_chance"]


async def test_an_incident_that_announces_itself_is_warned_of_with_what_speaks_for_it(
    store: Store, learned: contract.Learned
) -> None:
    assert learned.version is not None
    prediction_models.promote(store, learned.version, "for the test", NOW)
    warned, newest = 0, [start for start in incidents(1) if start > LAST - 7 * 48]
    for start in newest:
        forecasts = await predict(store, start - 1)
        assert "payments" in forecasts.probabilities, forecasts.abstained
        assert "ledger" in forecasts.abstained, "it never had an incident to learn from"
        for alarm in forecasts.alarms:
            warned += 1
            assert alarm.at == datetime.fromtimestamp(start * INTERVAL, UTC)
            assert alarm.contributions
            assert any(one.feature.endswith("_ms") for one in alarm.metrics), alarm.metrics
            assert predictions.alarm(store, alarm.id) is not None
    assert warned >= len(newest) / 2


async def test_the_same_interval_again_tells_the_same_alarms_and_keeps_no_second_one(store: Store) -> None:
    before = predictions.alarms(store)
    again = [await predict(store, start - 1) for start in incidents(1) if start > LAST - 7 * 48]
    told = [alarm for one in again for alarm in one.alarms]
    assert predictions.alarms(store) == before
    assert sorted(told, key=_id) == sorted((kept.alarm for kept in before), key=_id)


async def test_what_a_process_says_depends_on_the_store_alone(store: Store) -> None:
    """A pool that was killed says what the one before would have said."""
    loaded = catalog()
    directory = Directory(Catalogs(loaded, lambda _: None), protect="", operate="")
    lasting = PredictingActivities(directory, store)
    for number in range(LAST - 5, LAST + 1):
        request = contract.PredictRequest(region="eu", catalog=loaded.digest, number=number)
        went_on = await lasting.predict(request)
        begun = await predict(store, number)
        # Not to the last digit: the one that went on remembers what lies before the fourteen days.
        assert went_on.probabilities == pytest.approx(begun.probabilities, rel=0.01)


def test_a_replay_says_what_was_said(store: Store, learned: contract.Learned) -> None:
    assert learned.version is not None
    bundle = read(prediction_models.bundle(store, learned.version))
    known = kept(store, catalog().catalog, NOW - MONTH, lambda _: None)
    found = standing(
        known,
        replay(bundle, known, lambda _: None).said,
        bundle.manifest.threshold,
        dict.fromkeys(known.first_numbers, LAST - 7 * 48),
    )
    assert found.incidents > 3
    assert found.answered > 0.3
    assert found.brier_skill > 0


def test_a_version_that_does_worse_than_the_one_before_gives_its_place_back(
    store: Store, learned: contract.Learned
) -> None:
    assert learned.version is not None
    prediction_models.promote(store, learned.version, "for the test", NOW - timedelta(days=20))
    found = examine(store, catalog().catalog, lambda _: None)
    assert (found.version, found.go_back) == (learned.version, None), "there is none before it"
    boastful = _boastful(prediction_models.bundle(store, learned.version))
    worse = prediction_models.add(store, "w" * 64, {}, boastful, "learned", NOW)
    prediction_models.promote(store, worse.version, "for the test", NOW - timedelta(days=10))
    found = examine(store, catalog().catalog, lambda _: None)
    assert found.version == worse.version
    assert found.go_back is not None
    assert f"version {learned.version} would have had" in found.go_back
    prediction_models.refuse(store, worse.version, found.go_back, NOW)
    current = prediction_models.current(store)
    assert current is not None
    assert current.version == learned.version


def _id(alarm: Alarm) -> str:
    return alarm.id


def _boastful(content: bytes) -> bytes:
    """The same model with odds that are e^3 times too high."""
    bundle = read(content)
    manifest = bundle.manifest.model_copy(update={"calibration": Platt(1.0, 3.0)})
    parts = {
        MANIFEST: manifest.model_dump_json().encode(),
        DETECTORS: bundle.detectors,
        MEMBERS: bundle.members,
        ARRAYS: pack_arrays(bundle.scale, bundle.reference, bundle.levels),
    }
    return pack(parts)
