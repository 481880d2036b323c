"""A version that cannot be used stands in nobody's way, and no version takes another's place by luck."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest

from activities.analytics.store import Store, open_store, prediction_models
from activities.predictor import challenging, contract
from activities.predictor.challenging import examine, learn
from activities.predictor.layout import Layout
from activities.predictor.learning.calibration import Platt
from activities.predictor.learning.episodes import Episodes, Group, Series
from activities.predictor.learning.training import digest
from activities.predictor.predicting import ModelOfAnotherLayout
from activities.predictor.replaying import Replayed, replay, surely_better
from activities.predictor.serving import bundle as bundles
from activities.predictor.serving.bundle import ARRAYS, DETECTORS, MANIFEST, MEMBERS, Bundle, pack, pack_arrays, read
from activities.predictor.stored import Kept, kept
from models.catalog import Catalog
from models.catalog_file import parse
from tests.predictor.conftest import KeptStore
from tests.predictor.kept_services import CATALOG, NOW, catalog

SERVICES = catalog().catalog
OTHER_HORIZON = parse(CATALOG.replace("horizon: 10800", "horizon: 7200"), "catalog.yaml", {}).catalog


@pytest.fixture
def store(kept_store: KeptStore, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(kept_store.copied(tmp_path))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def known_replays() -> dict[str, Replayed]:
    return {}


@pytest.fixture(autouse=True)
def replayed_once(monkeypatch: pytest.MonkeyPatch, known_replays: dict[str, Replayed]) -> None:
    """The same version of the same rows is really replayed once."""

    def remembered(bundle: Bundle, known: Kept, progress: Callable[[str], None]) -> Replayed:
        rows = [(one.entity, len(one.active)) for one in known.group.series]
        key = f"{bundle.manifest.model_dump_json()}{rows}{known.group.layout}"
        if key not in known_replays:
            known_replays[key] = replay(bundle, known, progress)
        return known_replays[key]

    monkeypatch.setattr(challenging, "replay", remembered)


def silent(_: str) -> None:
    pass


def add(store: Store, content: bytes, days_ago: float = 0, digest: str = "d" * 64) -> int:
    return prediction_models.add(store, digest, {}, content, "learned", NOW - timedelta(days=days_ago)).version


def predicts(store: Store, content: bytes, days_ago: float = 20) -> int:
    version = add(store, content, days_ago)
    prediction_models.promote(store, version, "for the test", NOW - timedelta(days=days_ago))
    return version


@pytest.fixture
def good(store: Store, kept_store: KeptStore) -> bytes:
    assert kept_store.learned.version is not None
    return prediction_models.bundle(store, kept_store.learned.version)


def changed(content: bytes, levels: float = 0.0, **manifest: Any) -> bytes:
    """The same model with other figures."""
    bundle = read(content)
    arrays = pack_arrays(bundle.scale, bundle.reference, bundle.levels + numpy.float32(levels))
    digests = {**bundle.manifest.parts, ARRAYS: bundles.digest(arrays)}
    told = bundle.manifest.model_copy(update={"parts": digests, **manifest})
    parts = {
        MANIFEST: told.model_dump_json().encode(),
        DETECTORS: bundle.detectors,
        MEMBERS: bundle.members,
        ARRAYS: arrays,
    }
    return pack(parts)


@pytest.fixture
def learns(monkeypatch: pytest.MonkeyPatch, good: bytes) -> Callable[[Store], contract.Learned]:
    """Learning that comes to the model that was learned already, which takes no time."""
    trained = SimpleNamespace(forecast=object(), digest="t" * 64, abstains=())

    def at_once(store: Store) -> contract.Learned:
        monkeypatch.setattr(challenging, "train", lambda *_: trained)
        monkeypatch.setattr(challenging, "bundled", lambda _, created: changed(good, created=created))
        return learn(store, SERVICES, silent)

    return at_once


def test_a_current_version_that_cannot_be_read_is_a_reason_to_learn(store: Store) -> None:
    version = predicts(store, b"garbage")
    found = examine(store, SERVICES, silent)
    assert (found.version, found.go_back) == (version, None)
    assert found.learn is not None
    assert f"version {version} cannot be used: the file begins with" in found.learn


def test_there_is_nothing_to_compare_with_where_the_current_version_cannot_be_read(
    store: Store, learns: Callable[[Store], contract.Learned]
) -> None:
    predicts(store, b"garbage")
    learned = learns(store)
    assert learned.better
    assert "there is nothing to compare with" in learned.because


def test_a_version_for_another_horizon_is_a_reason_to_learn(store: Store, good: bytes) -> None:
    predicts(store, good)
    found = examine(store, OTHER_HORIZON, silent)
    assert found.learn is not None
    assert "learned for other intervals, horizons or metrics" in found.learn


def test_a_version_for_another_horizon_is_not_replayed(store: Store, good: bytes) -> None:
    known = kept(store, OTHER_HORIZON, NOW - timedelta(days=35), silent)
    with pytest.raises(ModelOfAnotherLayout, match="learn anew with"):
        replay(read(good), known, silent)


def test_a_former_version_that_cannot_be_read_is_no_way_back(store: Store, good: bytes) -> None:
    predicts(store, b"garbage", 20)
    predicts(store, changed(good, calibration=Platt(1.0, 3.0)), 10)
    assert examine(store, SERVICES, silent).go_back is None


def test_the_version_that_would_predict_again_is_the_one_that_is_compared(store: Store, good: bytes) -> None:
    """The one that was current last, though another is of a higher version."""
    usable = add(store, good, 30)
    predicts(store, b"garbage", 20)
    prediction_models.promote(store, usable, "for the test", NOW - timedelta(days=15))
    worse = predicts(store, changed(good, calibration=Platt(1.0, 3.0)), 10)
    found = examine(store, SERVICES, silent)
    assert found.go_back is not None
    assert f"version {usable} would have had" in found.go_back
    prediction_models.refuse(store, worse, found.go_back, NOW)
    current = prediction_models.current(store)
    assert current is not None
    assert current.version == usable


def test_a_service_that_is_new_does_not_hide_what_the_others_have_shown(
    store: Store, learns: Callable[[Store], contract.Learned], monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_a_new_one(store: Store, catalog: Catalog, *others: Any) -> Kept:
        known = kept(store, catalog, *others)
        young = next(one for one in known.group.series if one.entity == "eu/ledger")
        rows = 3 * known.group.layout.period
        assert young.business is not None
        cut = {name: getattr(young, name)[-rows:] for name in ("values", "observed", "active", "business")}
        series = tuple(replace(one, **cut) if one is young else one for one in known.group.series)
        numbers = {**known.first_numbers, young.entity: known.first_numbers[young.entity] + len(young.active) - rows}
        return Kept(replace(known.group, series=series), numbers)

    monkeypatch.setattr(challenging, "kept", with_a_new_one)
    learned = learns(store)
    assert learned.better, learned.because


def test_learning_that_is_tried_again_keeps_one_version(
    store: Store, learns: Callable[[Store], contract.Learned]
) -> None:
    assert learns(store).version == learns(store).version


def test_what_was_refused_is_not_learned_from_the_same_rows_again(store: Store) -> None:
    known = kept(store, SERVICES, NOW - timedelta(days=35), silent)
    rows = digest([Episodes(one, known.group.layout, challenging.SPLIT) for one in known.group.series])
    refused = add(store, b"another", digest=rows)
    prediction_models.refuse(store, refused, "no gain", NOW)
    learned = learn(store, SERVICES, silent)
    assert learned.version is None
    assert f"version {refused} was learned from the very same rows, and refused: no gain" in learned.because


def test_a_week_is_counted_from_what_was_last_tried(store: Store, good: bytes) -> None:
    predicts(store, good, 20)
    found = examine(store, SERVICES, silent)
    assert found.learn is not None
    assert "nothing was learned for 20 days" in found.learn
    refused = add(store, changed(good, threshold=0.9))
    prediction_models.refuse(store, refused, "no gain", NOW)
    assert examine(store, SERVICES, silent).learn is None


def test_features_that_drifted_are_told_and_are_no_reason_to_learn(store: Store, good: bytes) -> None:
    predicts(store, changed(good, levels=100.0), 1)
    found = examine(store, SERVICES, silent)
    assert found.learn is None
    assert len(found.drifted) == challenging.TOLD
    assert all("is spread otherwise than in training" in sentence for sentence in found.drifted)


class TestLuck:
    layout = Layout(("load",), interval_s=1800, horizon=4, period=48, merge=4)
    rows = 30 * 48
    starts = tuple(range(100, 30 * 48 - 100, 144))

    def known(self) -> Kept:
        active = numpy.zeros(self.rows, bool)
        active[list(self.starts)] = True
        one = Series("one", numpy.zeros((self.rows, 1), numpy.float32), numpy.ones(self.rows, bool), active, 0)
        return Kept(Group("services", self.layout, (one,)), {"one": 1000})

    def said(self, starts: tuple[int, ...]) -> dict[str, numpy.ndarray]:
        """Sure before these incidents, and doubtful elsewhere."""
        probability = numpy.full(self.rows, 0.05)
        for start in starts:
            probability[start - 4 : start] = 0.9
        return {"one": probability}

    def test_what_is_better_on_all_days_is_surely_better(self) -> None:
        assert surely_better(self.known(), self.said(self.starts), self.said(()), 0.01, {"one": 1000})

    def test_what_is_better_on_one_day_may_be_lucky(self) -> None:
        assert not surely_better(self.known(), self.said(self.starts[:1]), self.said(()), 0.01, {"one": 1000})

    def test_what_is_as_good_is_not_better(self) -> None:
        assert not surely_better(self.known(), self.said(()), self.said(()), 0.01, {"one": 1000})
