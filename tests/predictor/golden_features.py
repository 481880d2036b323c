"""Features of one fixed series, as they were when :data:`~activities.predictor.serving.bundle.MEANING` was last raised.

``python -m tests.predictor.golden_features`` writes them anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy

from activities.predictor.detectors.scale import Scale
from activities.predictor.detectors.scoring import Detectors, reference_of
from activities.predictor.features.bank import FeatureBank
from activities.predictor.features.rings import Floats
from activities.predictor.layout import Layout

FILE = Path(__file__).with_suffix(".json")
LAYOUT = Layout(("errors", "latency"), interval_s=3600, horizon=1, period=24, merge=1, business=True)
DETECTORS = ("isolation_forest", "robust_z")
ROWS = 24 * 8
LOOKS = (30, 101, ROWS - 1)


def computed() -> dict[str, list[float]]:
    """By feature at each of LOOKS: waves, a leak, gaps, spikes and incidents; no chance, which libraries may change."""
    row = numpy.arange(ROWS)
    values = numpy.stack([numpy.sin(row) + 0.01 * row, 100 + 9 * numpy.sin(row / 3.8) + 7 * (row % 31 == 0)], axis=1)
    values[150:] += numpy.linspace(0, 60, ROWS - 150)[:, None]
    scaled = Scale.of(values[:100])(values)
    raw = numpy.stack([numpy.abs(scaled).sum(axis=1), numpy.abs(scaled).max(axis=1)], axis=1)
    ranks = Detectors.rank(raw, reference_of(raw[:100])[None])
    requests = 50 + 20 * numpy.sin(row / 3.8)
    business: Floats = numpy.stack(
        [9 * requests, 100 * requests, requests, 0.01 + 0.01 * (row % 17 == 0), numpy.full(ROWS, 0.99)], axis=1
    )
    bank, which = FeatureBank(LAYOUT, 1, DETECTORS), numpy.zeros(1, dtype=numpy.intp)
    found = numpy.array(
        [
            bank.observe(
                which,
                scaled[one : one + 1],
                ranks[one : one + 1],
                numpy.array([one % 13 != 5]),
                numpy.array([one % 24 in (7, 8) and one % 5 > 0]),
                numpy.array([one % 24], dtype=numpy.intp),
                business[one : one + 1],
            )[0]
            for one in range(ROWS)
        ]
    )
    return {name: found[list(LOOKS), place].astype(float).tolist() for place, name in enumerate(bank.names)}


if __name__ == "__main__":
    lines = (
        f" {json.dumps(name)}: {[float(f'{value:.7g}') for value in values]}" for name, values in computed().items()
    )
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
