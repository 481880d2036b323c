"""Selecting the strategy: rules in order, the first that matches is taken, every other says why it was not.

The numbers are those of the rules in the design of the rollback module. Rules whose strategies do not exist yet are
rejected as such: nobody is left to wonder why blue-green was not considered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from activities.rollback.strategies import immediate
from models.catalog import RollbackPolicy
from models.plan import Rejected
from models.service_state import ServiceState
from models.stage import Stage

Strategy = Callable[[ServiceState, str, str, RollbackPolicy], tuple[Stage, ...]]

STRATEGIES: dict[str, Strategy] = {immediate.NAME: immediate.stages}
"""By name. A new strategy is a file of its own and a line here."""


@dataclass(frozen=True)
class Selection:
    strategy: str | None
    """None: hold."""
    because: str
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True)
class Rule:
    name: str
    strategy: str | None
    matches: Callable[[ServiceState, str | None], str | None]
    """Why it matches, or none."""
    otherwise: str
    """Why it does not match."""


RULES: tuple[Rule, ...] = (
    Rule(
        "1 no valid target",
        None,
        lambda state, target: None if target else "there is no valid target",
        "there is a target",
    ),
    Rule(
        "9 otherwise immediate",
        immediate.NAME,
        lambda state, target: "one service, one earlier release, and nothing that asks for more care",
        "",
    ),
)


def select(state: ServiceState, target: str | None) -> Selection:
    """The first rule that matches, with every rule before it and why it was rejected."""
    rejected: list[Rejected] = []
    for rule in RULES:
        why = rule.matches(state, target)
        if why:
            return Selection(rule.strategy, f"rule {rule.name}: {why}", tuple(rejected))
        rejected.append(Rejected(rule=rule.name, reason=rule.otherwise))
    raise AssertionError("the last rule always matches")
