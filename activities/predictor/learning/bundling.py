"""Puts what was learned of a group into one file, as it is served."""

from __future__ import annotations

from datetime import datetime

import numpy

from activities.predictor.detectors.scale import Scale
from activities.predictor.learning.export import ExportRefused, export
from activities.predictor.learning.training import Trained
from activities.predictor.serving.bundle import (
    ARRAYS,
    DETECTORS,
    MANIFEST,
    MEMBERS,
    Manifest,
    digest,
    feature_digest,
    pack,
    pack_arrays,
)


def bundled(trained: Trained, created: datetime) -> bytes:
    """The bundle. Raises :class:`ExportRefused` where there is nothing to serve, or it would answer otherwise."""
    forecast, references = trained.forecast, trained.references
    if forecast is None:
        raise ExportRefused(f"there is nothing to serve: {'; '.join(trained.abstains)}")
    rows = (*references.entities, references.prior)
    scale = Scale(numpy.stack([row.scale.centre for row in rows]), numpy.stack([row.scale.width for row in rows]))
    parts = {
        DETECTORS: references.graph,
        MEMBERS: export(forecast.members, len(trained.features)),
        ARRAYS: pack_arrays(scale, numpy.stack([row.quantiles for row in rows]), trained.levels),
    }
    detectors = references.detectors.names
    manifest = Manifest(
        created=created,
        layout=trained.layout,
        features=feature_digest(trained.layout, detectors),
        detectors=detectors,
        training=trained.digest,
        evidence=trained.evidence,
        entities=trained.entities,
        members=tuple(member.name for member in forecast.members),
        combiner=forecast.combiner,
        calibration=forecast.calibration,
        persistence=forecast.persistence,
        fallen_back=tuple(sorted(forecast.fallen_back)),
        threshold=trained.threshold,
        abstains=trained.abstains,
        silent=trained.silent,
        parts={name: digest(part) for name, part in parts.items()},
    )
    return pack({MANIFEST: manifest.model_dump_json(indent=1).encode(), **parts})
