"""How strange a row is on its own, by detectors that have seen no labels; the memory-less half of strangeness.

What the detectors say has no unit. Each score is therefore ranked among those of the entity's own reference rows, and
given as ``-log10`` of the share that was at least as strange: 2 is one row in a hundred.
"""

from __future__ import annotations

import numpy
from numpy.typing import NDArray

from activities.predictor.inference import GraphRefused, Inference

NAMES = ("isolation_forest", "one_class_svm", "autoencoder", "pca_residual", "robust_z", "robust_z_max")
"""In the order of the columns."""
LEVELS = 128
STEP = 0.06
"""A reference is the quantiles whose shares above are ``10 ** (-STEP * level)``: dense where it matters, in the tail,
and up to 7.6: beyond what any reference has rows for by :data:`BEYOND`."""
BEYOND = 3.0
"""How far a rank may grow beyond the strangest reference row: one for each distance of that row from the median."""
TIE = 1e-30
"""Less than any two different scores are apart."""


def reference_of(raw: NDArray[numpy.float64]) -> NDArray[numpy.float32]:
    """Quantiles ``[LEVELS, D]`` of the scores ``[rows, D]`` of an entity's reference rows.

    Of *n* rows the strangest is one in *n*. Above that the quantile function goes on as a straight line, so that what
    is stranger than everything still has an order, and few rows do not feign a rank that only many could support.
    """
    rows = len(raw)
    known = numpy.log10((rows + 0.5) / 0.5)
    tails = STEP * numpy.arange(LEVELS)
    within = numpy.minimum(tails, known)
    quantiles = numpy.quantile(raw, 1 - 10**-within, axis=0, method="inverted_cdf")
    spread = raw.max(axis=0) - numpy.median(raw, axis=0) + 1e-6
    beyond = numpy.maximum(tails - known, 0)
    reached = numpy.where(beyond <= BEYOND, beyond, numpy.inf)
    return (quantiles + reached[:, None] * spread).astype(numpy.float32)


class Detectors:
    """Fitted detectors of a group of entities, as one graph."""

    names = NAMES

    def __init__(self, graph: bytes) -> None:
        """Raises :class:`~activities.predictor.inference.GraphRefused`."""
        self._inference = Inference(graph, numpy.float64)
        if self._inference.outputs != len(NAMES):
            raise GraphRefused(
                f"the graph of the detectors gives {self._inference.outputs} scores where {len(NAMES)} are wanted: it "
                "was written by another version; train the model again"
            )
        self.metrics = self._inference.inputs

    def score(self, scaled: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
        """Raw scores ``[n, D]`` of scaled rows ``[n, M]``; larger is stranger.

        Rounded to what a reference holds, so that what is like the reference ties with it.
        """
        return self._inference(scaled).astype(numpy.float32).astype(numpy.float64)

    @staticmethod
    def rank(raw: NDArray[numpy.float64], reference: NDArray[numpy.float32]) -> NDArray[numpy.float64]:
        """Of raw scores ``[n, D]`` among references ``[n or 1, LEVELS, D]`` of :func:`reference_of`: ``[n, D]``."""
        level = (reference < raw[:, None, :]).sum(axis=1)
        above = numpy.minimum(numpy.maximum(level, 1), LEVELS - 1)
        detectors = int(raw.shape[1])
        place = (above - 1) * detectors + numpy.arange(detectors)
        if len(reference) > 1:
            place += numpy.arange(len(reference))[:, None] * (LEVELS * detectors)
        flat = reference.reshape(-1)
        low, high = flat[place], flat[place + detectors]
        share = (raw - low) / numpy.maximum(high - low, TIE)
        return STEP * (above - 1 + numpy.minimum(numpy.maximum(share, 0.0), 1.0))
