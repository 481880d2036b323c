"""What the prevention workflow starts from, what an action comes to here and now, and what the workflow comes to."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from models.base import Frozen, Time
from models.breaker import Trip
from models.catalog import Policy, PreventionLevel, PreventionPolicy
from models.incident import StepRecord
from models.prediction import Risk
from models.prevention import Action, Option, Prevention, Spent
from models.scope import Scope
from models.service_state import ServiceState
from models.stage import StageStep

LONGEST: float = 7200
"""Seconds that something may be kept: no more renewals of a lease than an incident may need."""

ADVISE_ONLY = PreventionPolicy(dollars_an_hour=0)


class PreventionStart(Scope):
    """The one argument of the prevention workflow.

    ``incident`` is a ULID of its own: its keys, receipts, leases and journal go by it, and ``sternway undo`` takes back
    by it what was left.
    """

    peers: tuple[str, ...] = ()
    """Regions whose pools may act where this region's does not."""
    policy: Policy
    """The service's, from that catalog."""
    risk: Risk
    prevention: Prevention
    seconds: Annotated[float, Field(gt=0, le=LONGEST)]
    """The prediction's horizon: what was done is kept so long."""

    @property
    def rules(self) -> PreventionPolicy:
        return self.policy.prevention or ADVISE_ONLY

    @property
    def option(self) -> Option | None:
        """What is to be done, or advised; none where nothing was chosen."""
        chosen = self.prevention.chosen
        return next((one for one in self.prevention.options if chosen is not None and one.action is chosen), None)


_LEVELS: Final[tuple[PreventionLevel, ...]] = ("advise", "approve", "full")


def stricter(one: PreventionLevel, other: PreventionLevel) -> PreventionLevel:
    """The one that leaves less to be done without asking."""
    return one if _LEVELS.index(one) < _LEVELS.index(other) else other


def approved(action: Action, rules: PreventionPolicy) -> bool:
    """Whether the policy approves it in advance."""
    match action:
        case Action.SCALE:
            return rules.scale is not None
        case Action.WARM:
            return rules.warm is not None
        case Action.SHIFT:
            return rules.shift is not None
        case Action.SHED:
            return rules.shed is not None
        case Action.RESTART:
            return rules.restart
        case Action.ROLL_BACK:
            return rules.roll_back


def over_budget(rules: PreventionPolicy, spent: Spent | None, dollars: float) -> str | None:
    """Why another action would be too much. What was spent and is not known may have been all of it (law 8)."""
    if spent is None:
        return "what was spent of the budget is not known: no store could be asked"
    if spent.actions >= rules.actions_a_day:
        return f"{spent.actions} of {rules.actions_a_day} actions a day were taken"
    if spent.dollars + dollars > rules.dollars_an_hour:
        left = max(0.0, rules.dollars_an_hour - spent.dollars)
        return f"it costs ${dollars:,.2f}, and ${left:,.2f} of the hour's budget are left"
    return None


class Measures(Frozen):
    """What an action is for the service as it was read."""

    state: ServiceState
    steps: tuple[StageStep, ...] = ()
    """Each is undone by itself, the last first."""
    trip: Trip | None = None
    cannot: str | None = None
    """Why it is not possible, or over its budget; then there are no steps."""
    level: PreventionLevel = "advise"
    """The catalog's, of the service's policy."""
    sentence: str
    """What is done, or would be, for people."""


class PreventionPhase(StrEnum):
    LOOKING = "looking"
    AWAITING_APPROVAL = "awaiting-approval"
    ACTING = "acting"
    KEEPING = "keeping"
    """All is done, and is kept for the horizon."""
    UNDOING = "undoing"
    ADVISED = "advised"
    """Ended: said what would be done."""
    DECLINED = "declined"
    """Ended: nothing was done, because it could not or must not be."""
    NOT_APPROVED = "not-approved"
    """Ended: nobody approved it in time."""
    DONE = "done"
    """Ended: done, and nothing of it is to be undone."""
    UNDONE = "undone"
    """Ended: kept for its time, and taken back."""
    HANDED_OVER = "handed-over"
    """Ended: an incident or a rollback of the service has what was done, or was asked to do it."""
    FAILED = "failed"
    """Ended: a step was refused or has failed, and everything is as before."""
    ABORTED = "aborted"
    """Ended by a person, and everything is as before."""
    HELD = "held"
    """Ended: something could not be taken back, and a person is needed."""


class PreventionState(Frozen):
    """The answer to the workflow's ``state`` query."""

    incident: str
    """Its own ULID."""
    workflow: str
    region: str
    service: str
    level: PreventionLevel
    phase: PreventionPhase
    sentence: str
    """Why it is in that phase, or what is being done."""
    action: Action | None
    kept_until: Time | None
    """None while it is not kept."""
    steps: tuple[StepRecord, ...]


class PreventionResult(Frozen):
    """What the workflow returns."""

    incident: str
    phase: PreventionPhase
    sentence: str
    action: Action | None
    steps: tuple[StepRecord, ...]


class PreventionActs(Frozen):
    """What the journal's kind ``prevention-acts`` says: recorded before anything is changed, and counted for the
    budget."""

    region: str
    service: str
    action: Action
    dollars: float
    """Expected cost."""
    seconds: float
    """For which it is held, and costs that; 0: it costs that at once."""
