"""The six preventive actions: what each is assumed to avert, what it costs, and what it needs. Pure.

cost = what is run or turned away meanwhile + chance that the action itself makes trouble x loss of an incident
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from models.prediction import Risk
from models.prevention import Action, Means, Record, Sign

EXTRA: Final = 0.5
"""Share of the replicas that is added."""
YOUNG_MINUTES: Final = 240.0
"""A release that is younger is suspected of what goes wrong with it."""

ASSUMED_SAFE: Final = 50.0
"""Times that an action is taken to have been done before, of what is assumed about the harm that it does."""


@dataclass(frozen=True)
class Assumption:
    """About one action, before it was ever tried here."""

    against: Mapping[Sign, float]
    """Share of the predicted loss that it averts."""
    harm: float
    """Chance that it makes trouble itself."""
    minutes: float
    """Until it has an effect."""


ASSUMPTIONS: Final[Mapping[Action, Assumption]] = MappingProxyType(
    {
        Action.SCALE: Assumption({Sign.LOAD: 0.8, Sign.SATURATION: 0.8, Sign.CONNECTIONS: 0.4}, harm=0.002, minutes=3),
        Action.WARM: Assumption({Sign.LATENCY: 0.1, Sign.ERRORS: 0.1}, harm=0.002, minutes=3),
        Action.SHIFT: Assumption(
            {Sign.LATENCY: 0.5, Sign.ERRORS: 0.5, Sign.MEMORY: 0.4, Sign.CONNECTIONS: 0.4}, harm=0.01, minutes=1
        ),
        Action.SHED: Assumption({Sign.LOAD: 0.6, Sign.SATURATION: 0.6, Sign.CONNECTIONS: 0.3}, harm=0.005, minutes=1),
        Action.RESTART: Assumption(
            {Sign.MEMORY: 0.8, Sign.CONNECTIONS: 0.6, Sign.LATENCY: 0.2, Sign.SATURATION: 0.2}, harm=0.01, minutes=3
        ),
        Action.ROLL_BACK: Assumption(
            {Sign.LATENCY: 0.7, Sign.ERRORS: 0.7, Sign.MEMORY: 0.7, Sign.CONNECTIONS: 0.6}, harm=0.03, minutes=5
        ),
    }
)
"""Orders of magnitude, chosen so that the order of the actions is a sensible one; records replace them."""


def cost_of(action: Action, risk: Risk, means: Means, records: Sequence[Record]) -> float | None:
    """US dollars, or none where something that it rests on is not known."""
    running = _RUNNING[action](risk, means)
    if running is None or risk.loss is None:
        return None
    harmed, taken = sum(record.harmed for record in records), sum(record.taken for record in records)
    return running + risk.loss.expected * (ASSUMPTIONS[action].harm * ASSUMED_SAFE + harmed) / (ASSUMED_SAFE + taken)


def added(replicas: int) -> int:
    """Replicas that scaling adds."""
    return max(1, math.ceil(replicas * EXTRA))


def _replicas(number: Callable[[Means], int | None]) -> Callable[[Risk, Means], float | None]:
    def cost(_risk: Risk, means: Means) -> float | None:
        more = number(means)
        if more is None or means.replica_dollars is None:
            return None
        return more * means.replica_dollars * means.minutes

    return cost


def _added(means: Means) -> int | None:
    return None if means.replicas is None else added(means.replicas)


def _turned_away(risk: Risk, means: Means) -> float | None:
    if means.shed_revenue is None or risk.revenue_per_minute is None:
        return None
    return means.shed_revenue * risk.revenue_per_minute * means.minutes


def _nothing(_risk: Risk, _means: Means) -> float | None:
    return 0.0


_RUNNING: Final[Mapping[Action, Callable[[Risk, Means], float | None]]] = MappingProxyType(
    {
        Action.SCALE: _replicas(_added),
        Action.WARM: _replicas(lambda _: 1),
        Action.SHIFT: _replicas(lambda means: means.shift_replicas),
        Action.SHED: _turned_away,
        Action.RESTART: _nothing,
        Action.ROLL_BACK: _replicas(lambda means: means.replicas),
    }
)
"""What each costs while it is held, besides the harm that it may do."""


def obstacle(action: Action, signs: Collection[Sign], means: Means) -> str | None:
    """Why it is not possible, or does not answer to *signs*, what the prediction rests on."""
    if ASSUMPTIONS[action].against.keys().isdisjoint(signs):
        return "it answers to none of the signs"
    if means.lead_minutes is not None and means.lead_minutes < ASSUMPTIONS[action].minutes:
        return f"it takes {ASSUMPTIONS[action].minutes:g} minutes, and {means.lead_minutes:g} are left"
    match action:
        case Action.SCALE | Action.RESTART if means.replicas is None:
            return "how many replicas serve is not known"
        case Action.SCALE if means.room is not None and means.replicas is not None:
            wanted = means.replicas + added(means.replicas)
            return f"there is room for {means.room} replicas, {wanted} are wanted" if wanted > means.room else None
        case Action.RESTART if means.replicas is not None and means.replicas < 2:
            return "there is no other replica that serves meanwhile"
        case Action.RESTART:
            return _not_of_age(signs, means)
        case Action.SHED if means.shed_revenue is None:
            return "the policy approves no shedding, so what it would turn away is not known"
        case Action.WARM | Action.SHIFT | Action.ROLL_BACK:
            return _no_way_back(means)
        case _:
            return None


def _not_of_age(signs: Collection[Sign], means: Means) -> str | None:
    """What a restart answers to for sure is filled up by a replica. Slowness may come with its age as well, but only
    where nothing else explains it."""
    if Sign.MEMORY in signs or Sign.CONNECTIONS in signs:
        return None
    if others := [sign for sign in (Sign.LOAD, Sign.ERRORS) if sign in signs]:
        return f"{others[0]}, which explains it better than the age of a replica"
    if means.release_minutes is None:
        return "how old the release is, is not known"
    if means.release_minutes <= YOUNG_MINUTES:
        return "the release is young, which explains it better than the age of a replica"
    return None


def _no_way_back(means: Means) -> str | None:
    if means.release_before is None:
        return "there is no release to go back to"
    if means.release_minutes is None:
        return "how old the release is, is not known"
    if means.release_minutes > YOUNG_MINUTES:
        return f"the release has served for {means.release_minutes / 60:,.1f} hours, so it is hardly the cause"
    return None
