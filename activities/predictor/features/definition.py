"""What is said of one feature, and in which layouts it exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from activities.predictor.layout import Layout

Category = Literal["time-based", "statistical", "correlation", "seasonal", "business"]
Over = Literal["entity", "metric", "detector"]
Need = Literal["always", "day", "no day", "hours", "several metrics", "business", "business by day"]


@dataclass(frozen=True)
class Definition:
    """One feature; it has a column for the entity, or for each of its metrics, or for each detector."""

    name: str
    category: Category
    unit: str
    formula: str
    over: Over = "entity"
    need: Need = "always"

    def exists_in(self, layout: Layout) -> bool:
        """Whether rows that are laid out so have it."""
        return {
            "always": True,
            "day": layout.period > 0,
            "no day": layout.period == 0,
            "hours": has_hours(layout),
            "several metrics": len(layout.metrics) > 1,
            "business": layout.business,
            "business by day": layout.business and layout.period > 0,
        }[self.need]


def has_hours(layout: Layout) -> bool:
    """Whether a day is 24 hours of whole rows, each of them at least a horizon."""
    return layout.period > 0 and layout.period % 24 == 0 and layout.horizon * 24 <= layout.period
