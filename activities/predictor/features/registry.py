"""Every feature: what it is called, what kind it is, its unit, and how it is computed.

The columns of a feature bank, their names and their categories, and the table in the documents follow from here. A
definition is one line however many metrics or detectors it is repeated over; the tests recompute each plainly.

Words of the formulas: H is the horizon in rows, t the present row, x a metric in widths from its median (robustly
scaled), r the rank of a detector (-log10 of how rare such a row is). "Mean of W" is over the last W rows or those that
there are (short: H/6, at least 1; half: H/2, at least 2); "slow mean" is the exponential mean of span 8H. "A day
earlier" is the same slot of the day on the days before; what came "next" then is what lies in (t, t + H], moved back by
whole days, so that it is never later than t. "At most 6" logarithms of horizons are 400 horizons, and stand for never.
"""

from __future__ import annotations

from dataclasses import dataclass

from activities.predictor.features import business, correlation, levels, outcomes, seasons
from activities.predictor.features.definition import Definition
from activities.predictor.layout import Layout

DEFINITIONS: tuple[Definition, ...] = (
    *levels.DEFINITIONS,
    *correlation.DEFINITIONS,
    *outcomes.DEFINITIONS,
    *seasons.DEFINITIONS,
    *business.DEFINITIONS,
)
"""All features, in the order of their columns."""


@dataclass(frozen=True)
class Column:
    """One number of a row: a definition, and the metric or detector that it is of, empty where it is of the entity."""

    definition: Definition
    subject: str

    @property
    def name(self) -> str:
        """Unique in a layout."""
        return f"{self.definition.name}[{self.subject}]" if self.subject else self.definition.name


def columns(layout: Layout, detectors: tuple[str, ...]) -> tuple[Column, ...]:
    """The columns of rows that are laid out so, when ranked by these *detectors*."""
    subjects = {"entity": ("",), "metric": layout.metrics, "detector": detectors}
    return tuple(
        Column(definition, subject)
        for definition in DEFINITIONS
        if definition.exists_in(layout)
        for subject in subjects[definition.over]
    )
