"""A bundle is served exactly as it was written, or refused with the reason, the place and the cure."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.predictor.detectors import scale, scoring
from activities.predictor.features import outcomes, registry
from activities.predictor.inference import Inference
from activities.predictor.learning.bundling import bundled
from activities.predictor.learning.export import ExportRefused, export
from activities.predictor.learning.members import FittedMember, Kind
from activities.predictor.learning.training import Trained
from activities.predictor.serving import bundle as bundles
from activities.predictor.serving.bundle import (
    ARRAYS,
    DETECTORS,
    MANIFEST,
    MEMBERS,
    PARTS,
    Bundle,
    BundleDamaged,
    BundleOfAnotherVersion,
    BundleOfOtherFeatures,
    BundleRefused,
    NotABundle,
    pack,
    read,
)
from tests.predictor import golden_features


def parts_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in PARTS}


def rewritten(content: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """As a build would write it that says something else in its manifest."""
    parts = parts_of(content)
    manifest = json.loads(parts[MANIFEST])
    change(manifest)
    return pack({**parts, MANIFEST: json.dumps(manifest).encode()})


def test_what_was_learned_is_what_is_read(trained: Trained, bundle: Bundle) -> None:
    manifest, forecast = bundle.manifest, trained.forecast
    assert forecast is not None
    assert manifest.layout == trained.layout
    assert (manifest.combiner, manifest.calibration) == (forecast.combiner, forecast.calibration)
    assert (manifest.threshold, manifest.silent) == (trained.threshold, trained.silent)
    assert (manifest.training, manifest.evidence) == (trained.digest, trained.evidence)
    assert (bundle.scale.centre[0] == trained.references.entities[0].scale.centre).all()
    assert (bundle.reference[-1] == trained.references.prior.quantiles).all()


def test_threshold_that_no_score_reaches_is_kept(trained: Trained) -> None:
    never = dataclasses.replace(trained, threshold=float("inf"))
    assert read(bundled(never, datetime(2026, 1, 1, tzinfo=UTC))).manifest.threshold == float("inf")


def test_same_model_gives_the_same_bytes(trained: Trained, content: bytes) -> None:
    assert bundled(trained, datetime(2026, 1, 1, tzinfo=UTC)) == content


def test_any_tool_can_look_into_it(content: bytes) -> None:
    parts = parts_of(content)
    assert json.loads(parts[MANIFEST])["members"] == [
        "seasonal persistence",
        "all, logistic",
        "all, lightgbm",
        "all, xgboost",
    ]


@given(data=st.data())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_byte_is_refused(data: st.DataObject, content: bytes) -> None:
    place = data.draw(st.integers(0, len(content) - 1))
    bits = data.draw(st.integers(1, 255))
    with pytest.raises(BundleRefused):
        read(content[:place] + bytes([content[place] ^ bits]) + content[place + 1 :])


@given(data=st.data())
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_truncation_is_refused(data: st.DataObject, content: bytes) -> None:
    with pytest.raises(BundleRefused):
        read(content[: data.draw(st.integers(0, len(content) - 1))])


@given(extra=st.binary(min_size=1, max_size=100))
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_appended_is_refused(extra: bytes, content: bytes) -> None:
    with pytest.raises(BundleRefused):
        read(content + extra)


@given(st.binary(max_size=300).filter(lambda noise: not noise.startswith(bundles.ZIP_MAGIC)))
def test_bytes_of_something_else_are_refused(noise: bytes) -> None:
    with pytest.raises(NotABundle, match="give one that"):
        read(noise)


@given(st.binary(max_size=300))
def test_archive_that_holds_something_else_is_refused_even_under_its_own_seal(noise: bytes) -> None:
    sealed = bundles.ZIP_MAGIC + noise
    with pytest.raises(BundleRefused):
        read(sealed + bundles.digest(sealed).encode())


def test_other_format_says_which_build_reads_it(content: bytes) -> None:
    with pytest.raises(BundleOfAnotherVersion, match="format 2, and this build reads 1: train the model again"):
        read(rewritten(content, lambda manifest: manifest.update(format=2)))


def test_features_of_another_version_are_refused(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    known = bundles.columns
    monkeypatch.setattr(bundles, "columns", lambda layout, detectors: known(layout, detectors)[1:])
    with pytest.raises(BundleOfOtherFeatures, match="train the model again with this build"):
        read(content)


@pytest.mark.parametrize(("module", "constant"), [(scale, "LINEAR"), (scoring, "STEP"), (outcomes, "HALF_LIVES")])
def test_features_that_mean_something_else_are_refused(
    content: bytes, monkeypatch: pytest.MonkeyPatch, module: object, constant: str
) -> None:
    monkeypatch.setattr(module, constant, 7)
    with pytest.raises(BundleOfOtherFeatures, match="train the model again with this build"):
        read(content)


def test_features_with_another_formula_are_refused(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    first = registry.DEFINITIONS[0]
    changed = (dataclasses.replace(first, formula=f"twice {first.formula}"), *registry.DEFINITIONS[1:])
    monkeypatch.setattr(registry, "DEFINITIONS", changed)
    with pytest.raises(BundleOfOtherFeatures, match="train the model again with this build"):
        read(content)


def test_features_come_out_as_they_did_when_their_meaning_was_last_numbered() -> None:
    known, now = json.loads(golden_features.FILE.read_text()), golden_features.computed()
    other = [name for name in known.keys() | now.keys() if now.get(name) != pytest.approx(known.get(name), 1e-5, 1e-5)]
    assert not other, (
        f"{', '.join(sorted(other))}: models that were learned before must not be shown these. If the change is meant "
        "and no formula, name or constant in the digest says so, raise MEANING in "
        "activities/predictor/serving/bundle.py; then write "
        "the numbers anew with `python -m tests.predictor.golden_features`"
    )


def test_part_of_another_model_is_refused_by_name(content: bytes) -> None:
    parts = parts_of(content)
    for name in (DETECTORS, MEMBERS, ARRAYS):
        with pytest.raises(BundleDamaged, match=f"{name} in the bundle is not the one"):
            read(pack({**parts, name: parts[name] + b" "}))


def test_manifest_that_lacks_something_is_refused(content: bytes) -> None:
    with pytest.raises(BundleDamaged, match="threshold"):
        read(rewritten(content, lambda manifest: manifest.pop("threshold")))
    with pytest.raises(BundleDamaged, match="horizon is 0"):
        read(rewritten(content, lambda manifest: manifest["layout"].update(horizon=0)))


def test_what_a_later_build_adds_is_passed_over(content: bytes) -> None:
    assert read(rewritten(content, lambda manifest: manifest.update(mood="good"))).manifest.threshold == 0.4


def test_arrays_of_another_shape_are_refused(content: bytes) -> None:
    with pytest.raises(BundleDamaged, match=r"has the shape \(4, 3\), and must have \(5, 3\)"):
        read(rewritten(content, lambda manifest: manifest["entities"].append("another")))


def test_objects_are_never_unpickled(content: bytes) -> None:
    file = io.BytesIO()
    numpy.savez(file, centre=numpy.array([{}], dtype=object), width=0, reference=0)
    parts = {**parts_of(content), ARRAYS: file.getvalue()}

    def seal(manifest: dict[str, Any]) -> None:
        manifest["parts"][ARRAYS] = bundles.digest(parts[ARRAYS])

    with pytest.raises(BundleDamaged, match="cannot be read"):
        read(rewritten(pack(parts), seal))


class Contrary:
    """A fitted model that answers otherwise than its own numbers say."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict_proba(self, rows: numpy.ndarray) -> numpy.ndarray:
        return self._model.predict_proba(rows) * 0.999


@pytest.mark.parametrize("kind", [Kind.LOGISTIC, Kind.LIGHTGBM, Kind.XGBOOST])
def test_member_that_answers_otherwise_than_it_is_written_is_not_exported(trained: Trained, kind: Kind) -> None:
    assert trained.forecast is not None
    member = next(one for one in trained.forecast.members if one.kind is kind)
    other = dataclasses.replace(member, models=tuple(Contrary(model) for model in member.models))
    with pytest.raises(ExportRefused, match=f'"{member.name}" differs from the fitted one'):
        export([other], len(trained.features))


def test_member_without_models_answers_with_its_base_rate(trained: Trained) -> None:
    assert trained.forecast is not None
    empty = FittedMember("nothing learned", Kind.XGBOOST, (0,), (), (), 0.07)
    members = [empty, trained.forecast.members[0]]
    answers = Inference(export(members, len(trained.features)), numpy.float32)(
        numpy.zeros((2, len(trained.features)), "f4")
    )
    assert answers[:, 0] == pytest.approx(0.07)


def test_without_anything_learned_there_is_nothing_to_serve(trained: Trained) -> None:
    with pytest.raises(ExportRefused, match="no incident started"):
        bundled(
            dataclasses.replace(trained, forecast=None, abstains=("no incident started in the train part",)),
            datetime(2026, 1, 1, tzinfo=UTC),
        )
