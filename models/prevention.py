"""Prevention: what could be done against a predicted incident, what it would bring and cost, and what is chosen."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from models.base import Frozen
from models.prediction import Probability


class Action(StrEnum):
    SCALE = "scale"
    """Have more replicas for a while."""
    WARM = "warm"
    """Send copies of requests to the release before, so that it can take over at once."""
    SHIFT = "shift-weight"
    """Send a part of the requests to the release before, which is ready beside this one."""
    SHED = "shed-low-value"
    """Turn away the requests that earn least."""
    RESTART = "restart-replica"
    """Start one replica anew."""
    ROLL_BACK = "roll-back"
    """Go back to the release before."""


class Sign(StrEnum):
    """What a prediction rests on, as far as an action can answer to it."""

    LOAD = "the load rises"
    SATURATION = "it is close to its capacity"
    MEMORY = "its memory fills"
    CONNECTIONS = "its connections run out"
    LATENCY = "its answers slow down"
    ERRORS = "its errors increase"


class Spent(Frozen):
    """What was done already, of what a policy lets prevention cost a service in a region."""

    dollars: Annotated[float, Field(ge=0)]
    """Of what is held, the part since an hour ago, what is still to come included."""
    actions: Annotated[int, Field(ge=0)]
    """In the last 24 hours."""


class Means(Frozen):
    """What there is to act with. What is none is not known, and nothing is done that rests on it."""

    replicas: int | None
    """That serve now."""
    room: int | None
    """Replicas of all releases that there is room for."""
    replica_dollars: float | None
    """Of one replica for a minute."""
    release_minutes: float | None
    """Since the release that serves was deployed."""
    release_before: str | None
    """The one that worked before it and can still run."""
    shift_replicas: int | None
    """That it would need besides those that it has for its share of the requests; none: the policy shifts nothing."""
    shed_revenue: Probability | None
    """Share of the revenue that shedding turns away; none: the policy approves no shedding."""
    minutes: Annotated[float, Field(gt=0)]
    """For which an action is held; its replicas are paid, and its requests turned away, so long."""
    lead_minutes: float | None
    """Until a forecast crosses its limit."""


class Record(Frozen):
    """What became of earlier preventions with one action against one sign: the strongest, where it answered to several.

    Whether an incident was averted nobody sees. But of predictions that are calibrated as many come true as their
    probabilities sum up to, if nothing is done; what is missing was averted.
    """

    action: Action
    sign: Sign
    foretold: Annotated[float, Field(ge=0)]
    """Sum of the probabilities at which it was done."""
    incidents: Annotated[int, Field(ge=0)]
    """That came nevertheless."""
    harmed: Annotated[int, Field(ge=0)]
    """Times that the action itself made trouble."""
    taken: Annotated[int, Field(ge=0)]
    """Times that it was done."""


class Option(Frozen):
    """One action, weighed."""

    action: Action
    effectiveness: Probability
    """Share of the predicted loss that it averts, as earlier preventions have shown, and before them by assumption."""
    averted: float | None
    """US dollars: of the revenue at risk; none where that is not known."""
    cost: float | None
    """US dollars: expected."""
    confidence: Probability | None
    """That more is averted than it costs, as far as the effectiveness is uncertain."""
    cannot: str | None
    """Why it is not possible; none where it is."""
    sentence: str

    @property
    def expected_return(self) -> float | None:
        """US dollars: what is averted less the cost."""
        return None if self.averted is None or self.cost is None else self.averted - self.cost


class Prevention(Frozen):
    """All that could be done, the best first, and what of it is worth its cost within the budget."""

    options: tuple[Option, ...]
    chosen: Action | None
    sentence: str
    signs: dict[Sign, float] = {}
    """What the prediction rests on, with the share of each: what the outcome will tell of."""

    @property
    def advised(self) -> bool:
        """Whether something is possible that may pay, though it is not chosen."""
        possible = [one.expected_return for one in self.options if one.cannot is None]
        return any(gain is None or gain > 0 for gain in possible)
