"""A moment's look at the services that a trouble concerns besides the troubled one, and what is remembered of all."""

from __future__ import annotations

from models.base import Frozen
from models.observation import Observation
from models.recollection import Recollection


class Survey(Frozen):
    """What is missing could not be had; it is never taken for good news."""

    observations: dict[str, Observation] = {}
    """By service: what it depends on, and what is released with any of them."""
    recollections: dict[str, Recollection] = {}
    """By service, the troubled one's too."""
