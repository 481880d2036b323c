"""All features of many entities, one row at a time.

Training, evaluation and serving walk through this same bank, so that nothing can look ahead and nothing can differ
between them. The state of an entity is its own: how rows of different entities are put into calls changes nothing.
"""

from __future__ import annotations

import numpy
from numpy.typing import NDArray

from activities.predictor.features import surprise
from activities.predictor.features.business import NUMBERS, Business
from activities.predictor.features.correlation import Correlations
from activities.predictor.features.levels import Levels
from activities.predictor.features.outcomes import Incidents, Spikes
from activities.predictor.features.registry import columns
from activities.predictor.features.rings import Floats, Indices
from activities.predictor.features.seasons import Seasons
from activities.predictor.layout import Layout
from models.base import SternwayError

SPEAKING_OF_SPIKES = ("robust_z", "isolation_forest", "jump")
"""Detectors that say at once that a row is strange, and are quiet again when it is over."""


class RowRefused(SternwayError):
    """A row that cannot be taken in. Nothing was."""


class FeatureBank:
    """The features of *entities* entities, numbered from 0."""

    def __init__(self, layout: Layout, entities: int, detectors: tuple[str, ...]) -> None:
        """*detectors*: names of the ranks that come with each row; the bank's own follow them."""
        self._layout = layout
        self._detectors = len(detectors)
        self.detectors = (*detectors, *surprise.NAMES)
        self.columns = columns(layout, self.detectors)
        self.names = tuple(column.name for column in self.columns)
        self.categories = tuple(column.definition.category for column in self.columns)
        self._order = tuple(dict.fromkeys(column.definition.name for column in self.columns))
        self._speaking: Indices = numpy.array(
            [i for i, name in enumerate(self.detectors) if name in SPEAKING_OF_SPIKES], dtype=numpy.intp
        )
        self._rows: Indices = numpy.zeros(entities, dtype=numpy.intp)
        self._recorded_from: Indices = numpy.zeros(entities, dtype=numpy.intp)
        self._surprise = surprise.SurpriseDetectors(layout, entities)
        self._levels = Levels(layout, entities, len(self.detectors))
        self._correlations = Correlations(layout, entities) if len(layout.metrics) > 1 else None
        self._incidents = Incidents(layout, entities)
        self._spikes = Spikes(layout, entities)
        self._seasons = Seasons(layout, entities, len(self.detectors)) if layout.period else None
        self._business = Business(layout, entities) if layout.business else None

    def forget(self, which: Indices) -> None:
        """Start these entities anew, as after a reset or after a gap that is longer than what is remembered."""
        self._rows[which] = 0
        self._recorded_from[which] = 0
        parts = (
            self._surprise,
            self._levels,
            self._correlations,
            self._incidents,
            self._spikes,
            self._seasons,
            self._business,
        )
        for part in parts:
            if part is not None:
                part.forget(which)

    def record_outcomes(self, which: Indices) -> None:
        """Outcomes of these entities are recorded from the next row on; without this, from their first row.

        Rates and shares are of the rows since then. ``active`` must be false before.
        """
        self._recorded_from[which] = self._rows.take(which, axis=0)
        self._spikes.forget_judgements(which)

    def observe(
        self,
        which: Indices,
        scaled: Floats,
        strangeness: Floats,
        observed: NDArray[numpy.bool_],
        active: NDArray[numpy.bool_],
        slot: Indices,
        business: Floats | None = None,
    ) -> NDArray[numpy.float32]:
        """The features [n, F] of the next row of each of *which* [n], different entities; finite always.

        scaled: [n, M] metrics in widths from their median, forward filled where nothing was observed
        strangeness: [n, D] ranks of the detectors, in their order
        observed: [n] whether the sample was really there
        active: [n] whether an incident is under way
        slot: [n] row of the day, 0 where the layout knows no day
        business: [n, 5] as in ``business.NUMBERS``, NaN where one is unknown; with a business layout only

        Raises RowRefused for what does not fit the layout or is not finite; then nothing was taken in.
        """
        self._check(which, scaled, strangeness, slot, business)
        rows = self._rows.take(which, axis=0)
        ranks = numpy.concatenate((strangeness, self._surprise.observe(which, rows, scaled)), axis=1)
        looked = self._levels.observe(which, rows, scaled, ranks, (~observed[:, None]).astype(numpy.float64))
        features = looked.features
        if self._correlations is not None:
            features |= self._correlations.observe(which, rows, scaled)
        known = rows - self._recorded_from[which]
        incidents = self._incidents.observe(which, rows, known, active, slot)
        spikes = self._spikes.observe(
            which, rows, ranks.take(self._speaking, axis=1).sum(axis=1) / len(self._speaking), active
        )
        features |= incidents.features
        features |= spikes.features
        if self._seasons is not None:
            days, days_known = rows[:, None] / self._layout.period, known[:, None] / self._layout.period
            features |= self._seasons.observe(which, slot, looked, incidents.hits, spikes.hits, days, days_known)
            features["to_next_seasonal"] = self._incidents.to_next(which, slot)
        if self._business is not None and business is not None:
            features |= self._business.observe(which, rows, slot, business)
        self._rows[which] = rows + 1
        return numpy.concatenate([features[name] for name in self._order], axis=1).astype(numpy.float32)

    def _check(
        self, which: Indices, scaled: Floats, strangeness: Floats, slot: Indices, business: Floats | None
    ) -> None:
        n = len(which)
        metrics = len(self._layout.metrics)
        if scaled.shape != (n, metrics) or strangeness.shape != (n, self._detectors):
            raise RowRefused(
                f"{n} entities came with metrics {scaled.shape} and ranks {strangeness.shape}:"
                f" they must be {(n, metrics)} and {(n, self._detectors)}"
            )
        if (business is not None) != self._layout.business or (
            business is not None and business.shape != (n, len(NUMBERS))
        ):
            raise RowRefused(f"the layout says business {self._layout.business}: give {', '.join(NUMBERS)} of each row")
        # One sum says whether all is well; which one is not well is asked only then.
        if not numpy.isfinite(scaled.sum() + strangeness.sum()):
            bad = which[~(numpy.isfinite(scaled).all(axis=1) & numpy.isfinite(strangeness).all(axis=1))]
            raise RowRefused(
                f"entities {bad.tolist()} have values that are not finite: fill them forward, or leave them out"
            )
        if n > 1 and len(numpy.unique(which)) < n:
            raise RowRefused("an entity comes twice in one call: give its rows one after the other")
        if n and self._layout.period and (slot.min() < 0 or slot.max() >= self._layout.period):
            raise RowRefused(f"a slot is not within the {self._layout.period} rows of a day")
