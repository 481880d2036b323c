"""A model of the kept services that is there at once: its one member weighs every feature a little."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy

from activities.analytics.store import Store, prediction_models
from activities.predictor.features.bank import FeatureBank
from activities.predictor.history import layout_of
from activities.predictor.learning.bundling import bundled
from activities.predictor.learning.calibration import Platt
from activities.predictor.learning.combining import Combiner, Way
from activities.predictor.learning.deciding import Costs
from activities.predictor.learning.members import FittedMember, Kind, Logistic
from activities.predictor.learning.references import learn_references
from activities.predictor.learning.training import Forecast, Trained
from activities.predictor.serving.bundle import SHARES
from tests.predictor.kept_services import catalog

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def serve(store: Store, threshold: float) -> None:
    """Let it predict: of payments, and not of ledger."""
    layout = layout_of(catalog().catalog)
    rows = numpy.random.default_rng(0).normal(50, 5, size=(300, len(layout.metrics))).astype(numpy.float32)
    references = learn_references([rows])
    names = FeatureBank(layout, 1, references.detectors.names).names
    count = len(names)
    weighs = Logistic(numpy.zeros(count), numpy.ones(count), numpy.full(count, 0.001), -2.0)
    member = FittedMember("all", Kind.LOGISTIC, tuple(range(count)), (weighs,), (0.5,), 0.1)
    own, none = Platt(1.0, 0.0), frozenset[str]()
    trained = Trained(
        layout=layout,
        features=names,
        entities=("eu/payments",),
        references=references,
        forecast=Forecast((member,), Combiner(Way.AVERAGING, (1.0,)), own, own, none, {}),
        threshold=threshold,
        abstains=(),
        silent={},
        evidence=None,
        levels=numpy.zeros((SHARES, count), dtype=numpy.float32),
        digest="",
        costs=Costs(),
    )
    model = prediction_models.add(store, "d" * 64, {}, bundled(trained, NOW), "for the test", NOW)
    prediction_models.promote(store, model.version, "for the test", NOW)
