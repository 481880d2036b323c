"""What comes into a predictor, and what it answers: a probability, or words that say why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray


@dataclass(frozen=True)
class Samples:
    """One row of each of several different entities, all of the same interval of the grid."""

    entities: Sequence[str]
    row: int
    """Number of the interval since the beginning of a day (UTC): Unix seconds over the layout's interval will do."""
    values: NDArray[numpy.float64]
    """[n, M] in the layout's order of metrics; whatever where nothing was observed."""
    observed: NDArray[numpy.bool_]
    """[n]: whether there was a sample. Only of whole rows: a row that lacks a metric was not observed."""
    active: NDArray[numpy.bool_]
    """[n]: whether an incident is under way."""
    business: NDArray[numpy.float64] | None = None
    """[n, 5], NaN where unknown; of layouts that have them."""
    anew: NDArray[numpy.bool_] | None = None
    """[n]: whether the entity starts with it, so that what was remembered of it is void; none: nobody does."""


@dataclass(frozen=True)
class Prediction:
    """How likely a new incident of *entity* starts within the horizon after *row*."""

    entity: str
    row: int
    generation: int
    """Of the features that it was made of."""
    probability: float
    threshold: float
    horizon_minutes: float

    @property
    def alarm(self) -> bool:
        """It is likely enough. An alarm holds for the whole horizon: the next row repeats it rather than adds one."""
        return self.probability >= self.threshold


@dataclass(frozen=True)
class Abstention:
    """Nothing can be said of *entity* at *row*, and why."""

    entity: str
    row: int
    reason: str


Answer = Prediction | Abstention
