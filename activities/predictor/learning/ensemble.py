"""Which members there are: every kind of model on several subsets of the features, one configuration for all data.

Where incidents repeat by the day, few columns are enough and many are noise; where there are precursors, the metrics
themselves say most. Nobody knows beforehand which data is which: there are members for both, and the combiner learns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from activities.predictor.features import outcomes
from activities.predictor.features.registry import Column
from activities.predictor.learning.members import Definition, Kind

PERSISTENCE = "seasonal persistence"
"""The member that everything must beat: when incidents were, and nothing of what the metrics say."""
PLAIN_PERSISTENCE = "share_hit_exact"
"""The feature that is the same without having learned anything: on which share of earlier days an incident started."""
CLOCK = {"share_hit_exact", "share_hit_wide", "incident_rate", "since_last_active", "age"}
COMPACT = {
    "share_hit_exact",
    "recent_hit_exact",
    "share_hit_wide",
    "incident_rate",
    "to_next_seasonal",
    "spike_share_exact",
    "spike_recent_exact",
    "spike_share_wide",
    "spike_trust",
    "age",
    "off_opening_mean",
}
HISTORY = {
    *(one.name for one in outcomes.DEFINITIONS),
    *(f"{kind}_hit_{reach}" for kind in ("days", "share", "recent") for reach in ("exact", "wide", "broad")),
    *(f"spike_{kind}_{reach}" for kind in ("share", "recent") for reach in ("exact", "wide")),
    *("hit_1d", "hit_2d", "hit_7d", "hour_share"),
}
"""What has come of the entity, and when of the day."""
STRONG = 333.0
"""Penalty of a logistic regression on columns that say much the same."""


def definitions(columns: Sequence[Column]) -> tuple[Definition, ...]:
    """Of the members that learn from these columns; the first is PERSISTENCE."""

    def among(wanted: Callable[[Column], bool]) -> tuple[int, ...]:
        return tuple(number for number, column in enumerate(columns) if wanted(column))

    clock = among(lambda column: column.definition.name in CLOCK)
    compact = among(lambda column: column.definition.name in COMPACT)
    history = among(lambda column: column.definition.name in HISTORY)
    whole = among(lambda column: column.definition.over != "metric")
    everything = among(lambda _: True)
    return (
        Definition(PERSISTENCE, Kind.LOGISTIC, clock, penalty=1.0),
        Definition("compact, logistic", Kind.LOGISTIC, compact, penalty=STRONG),
        Definition("history, logistic", Kind.LOGISTIC, history, penalty=STRONG),
        Definition("history, lightgbm", Kind.LIGHTGBM, history),
        Definition("entity, xgboost", Kind.XGBOOST, whole),
        Definition("all, logistic", Kind.LOGISTIC, everything, penalty=STRONG),
        Definition("all, lightgbm", Kind.LIGHTGBM, everything),
        Definition("all, xgboost", Kind.XGBOOST, everything),
    )
