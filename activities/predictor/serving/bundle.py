"""A model in one file, and the refusal of everything that is not wholly what was written.

The file is a zip archive without compression, so that any tool can look into it, in one order and with one date, so
that the same model always gives the same bytes. It ends, as the archive's comment, with the SHA-256 of all that comes
before: no byte can be lost or change without being seen. The manifest says what the model was learned from, what it may
do, and the digests of the other parts.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy
from numpy.typing import NDArray
from pydantic import ConfigDict, ValidationError

from activities.predictor.detectors import scale as scales
from activities.predictor.detectors import scoring
from activities.predictor.detectors.scale import Scale
from activities.predictor.detectors.scoring import LEVELS
from activities.predictor.features import bank, business, correlation, levels, outcomes, surprise
from activities.predictor.features.registry import columns
from activities.predictor.layout import Layout
from activities.predictor.learning.abstaining import Evidence
from activities.predictor.learning.calibration import Calibration, Platt
from activities.predictor.learning.combining import Combiner
from models.base import Frozen, SternwayError, Time

FORMAT = 1
MEANING = 1
"""Of the features: one more when they come out otherwise although names, formulas and constants are the same."""
MANIFEST, DETECTORS, MEMBERS, ARRAYS = "manifest.json", "detectors.onnx", "members.onnx", "arrays.npz"
PARTS = (MANIFEST, DETECTORS, MEMBERS, ARRAYS)
LARGEST = 256 * 1024 * 1024
"""Bytes of a bundle, a hundred times what one has: what is larger is not read at all."""
ZIP_MAGIC = b"PK\x03\x04"
SHARES = 101
"""Of the rows that were learned from, at which the features' levels are kept: every hundredth."""
SEAL = 64
"""Bytes at the end: the SHA-256 of those before, in hexadecimal."""
AGAIN = "take it from the registry again or, if it is damaged there, go back to the version before"
OTHER_BUILD = "train the model again with this build, or run the build that wrote it"


class BundleRefused(SternwayError):
    """The bytes are no model that may be served."""


class NotABundle(BundleRefused):
    """Something else altogether."""


class BundleDamaged(BundleRefused):
    """Cut off, or not what was written."""


class BundleOfAnotherVersion(BundleRefused):
    """In a format that this build does not read."""


class BundleOfOtherFeatures(BundleRefused):
    """Learned from features that this build computes no longer, or not yet."""


class Manifest(Frozen):
    """What is known of a model, beside the numbers that it is made of."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    format: int = FORMAT
    created: Time
    layout: Layout
    features: str
    """Digest of their names, in order, and of what they mean."""
    detectors: tuple[str, ...]
    training: str
    """Digest of what was learned from."""
    evidence: Evidence | None
    """What was to be said for it, before the test part; None where there was nothing to judge."""
    entities: tuple[str, ...]
    """Those learned from, in the order of the arrays."""
    members: tuple[str, ...]
    combiner: Combiner
    calibration: Calibration
    persistence: Platt
    """Calibration of the first member, for entities that it answers alone."""
    fallen_back: tuple[str, ...]
    threshold: float
    """Probability from which on there is an alarm."""
    abstains: tuple[str, ...]
    """Why the model says nothing; empty where it speaks."""
    silent: dict[str, str]
    """Why single entities are not spoken of."""
    parts: dict[str, str]
    """SHA-256 of each other part."""


@dataclass(frozen=True)
class Bundle:
    """A model as it is served. Arrays have a row for each entity, and one more for those that are not known."""

    manifest: Manifest
    detectors: bytes
    members: bytes
    scale: Scale
    """[entities + 1, M]"""
    reference: NDArray[numpy.float32]
    """[entities + 1, LEVELS, D]: of :func:`~activities.predictor.detectors.scoring.reference_of`."""
    levels: NDArray[numpy.float32]
    """[SHARES, F]: what the features were like when it learned, from the lowest to the highest; the middle is usual."""


def digest(content: bytes) -> str:
    """SHA-256, as the manifest and the registry write it."""
    return hashlib.sha256(content).hexdigest()


def feature_names(layout: Layout, detectors: tuple[str, ...]) -> list[str]:
    """Of the features that this build computes, in the order of the columns."""
    return [column.name for column in columns(layout, (*detectors, *surprise.NAMES))]


def feature_digest(layout: Layout, detectors: tuple[str, ...]) -> str:
    """Of these names, and of what a number under each of them means: a model that learned it otherwise must not be
    shown it."""
    formulas = [column.definition.formula for column in columns(layout, (*detectors, *surprise.NAMES))]
    return digest(repr((feature_names(layout, detectors), formulas, _constants())).encode())


def _constants() -> tuple[object, ...]:
    """On which features, their scale and their ranks rest."""
    return (
        MEANING,
        (scales.LINEAR, scales.FARTHEST, scales.NORMAL_QUARTILES, scales.LEAST_SHARE, scales.CONSTANT),
        (scoring.LEVELS, scoring.STEP, scoring.BEYOND, scoring.TIE),
        (surprise.LARGEST_SURPRISE, surprise.FLOOR, surprise.DRIFT, surprise.CEILING),
        (surprise.ALARM, surprise.ESCALATION),
        (levels.LARGEST_Z, levels.STRANGE, correlation.FLOOR),
        (outcomes.HALF_LIVES, outcomes.NEVER, outcomes.LONGEST, outcomes.REMEMBERED, outcomes.SPIKE),
        (bank.SPEAKING_OF_SPIKES, business.SMALLEST_BUDGET, business.FEWEST_REQUESTS),
    )


def pack_arrays(scale: Scale, reference: NDArray[numpy.float32], levels: NDArray[numpy.float32]) -> bytes:
    """The numbers of the entities, as one part."""
    file = io.BytesIO()
    numpy.savez(file, centre=scale.centre, width=scale.width, reference=reference, levels=levels)
    return file.getvalue()


def pack(parts: Mapping[str, bytes]) -> bytes:
    """One file of PARTS; the same parts always give the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in PARTS:
            archive.writestr(zipfile.ZipInfo(name), parts[name])
        archive.comment = bytes(SEAL)
    content = file.getvalue()[:-SEAL]
    return content + digest(content).encode()


def read(content: bytes) -> Bundle:
    """Raises a :class:`BundleRefused` that says what is wrong, where, and what to do."""
    parts = _parts(content)
    manifest = _manifest(parts[MANIFEST])
    for name in PARTS[1:]:
        if digest(parts[name]) != manifest.parts.get(name):
            raise BundleDamaged(f"{name} in the bundle is not the one that its manifest was written for: {AGAIN}")
    known = feature_digest(manifest.layout, manifest.detectors)
    if manifest.features != known:
        raise BundleOfOtherFeatures(
            f"{MANIFEST}: the model was learned from features {manifest.features[:12]}, and this build computes "
            f"{known[:12]}: {OTHER_BUILD}"
        )
    scale, reference, levels = _arrays(parts[ARRAYS], manifest)
    return Bundle(manifest, parts[DETECTORS], parts[MEMBERS], scale, reference, levels)


def _parts(content: bytes) -> dict[str, bytes]:
    if not content.startswith(ZIP_MAGIC):
        start = f"begins with {content[:8]!r}" if content else "is empty"
        raise NotABundle(f"the file {start}, and is no bundle of a model: give one that `sternway predict train` wrote")
    if len(content) > LARGEST:
        raise NotABundle(f"the file has {len(content):,} bytes, and a bundle has at most {LARGEST:,}")
    if digest(content[:-SEAL]).encode() != content[-SEAL:]:
        raise BundleDamaged(f"the bundle of {len(content):,} bytes is cut off or not what was written: {AGAIN}")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name: archive.read(name) for name in PARTS}
    except (zipfile.BadZipFile, KeyError) as error:
        raise BundleOfAnotherVersion(f"the bundle does not hold {', '.join(PARTS)} ({error}): {OTHER_BUILD}") from error


def _manifest(text: bytes) -> Manifest:
    try:
        found = json.loads(text)["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleDamaged(f"{MANIFEST} does not say its format: {AGAIN}") from error
    if found != FORMAT:
        raise BundleOfAnotherVersion(
            f"{MANIFEST}: the bundle is of format {found}, and this build reads {FORMAT}: {OTHER_BUILD}"
        )
    try:
        return Manifest.of_any_build(text)
    except (ValidationError, SternwayError) as error:
        raise BundleDamaged(f"{MANIFEST} is not as it was written ({error}): {AGAIN}") from error


def _arrays(content: bytes, manifest: Manifest) -> tuple[Scale, NDArray[numpy.float32], NDArray[numpy.float32]]:
    rows, metrics = len(manifest.entities) + 1, len(manifest.layout.metrics)
    wanted = {
        "centre": (rows, metrics),
        "width": (rows, metrics),
        "reference": (rows, LEVELS, len(manifest.detectors)),
        "levels": (SHARES, len(feature_names(manifest.layout, manifest.detectors))),
    }
    try:
        with numpy.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: cast(NDArray[Any], file[name]) for name in wanted}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BundleDamaged(f"{ARRAYS} cannot be read ({error}): {AGAIN}") from error
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            raise BundleDamaged(
                f"{name} in {ARRAYS} has the shape {arrays[name].shape}, and must have {shape}: {AGAIN}"
            )
    return Scale(arrays["centre"], arrays["width"]), arrays["reference"], arrays["levels"]
