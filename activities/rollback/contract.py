"""What workflows may ask of the rollback module."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from activities.contract import Contract, WhenRegionIsSilent
from models.assessment import Assessment
from models.base import Frozen
from models.plan import Plan, RollbackPlan, VerifyWork
from models.said import Said
from models.scope import Scope
from models.survey import Survey
from models.verdict import Finding, Verdict


class PlanRequest(Scope):
    assessment: Assessment
    said: Said
    protected: bool
    """Whether a lease must be lifted at the end."""


class PrecheckRequest(Scope):
    plan: RollbackPlan


class Precheck(Frozen):
    """Whether the world still is what the plan was made for."""

    fresh: bool
    sentence: str


class ReadBackRequest(Scope):
    work: VerifyWork


class Moved(Frozen):
    """A service whose traffic a rollback has moved."""

    service: str
    bad: str
    """The release that undoing leads back to."""
    target: str
    before: Verdict
    """Health of *bad* as it was before anything was changed."""
    now: Finding
    """On *target* under traffic, as far as it is known."""
    worse: bool
    """Both have served at the same time, and *target* was shown to do more harm than *bad*."""


class DecisionRequest(Scope):
    moved: tuple[Moved, ...]


class Decision(Frozen):
    """What measured health says after a stage has failed (law 4)."""

    action: Literal["compensate", "hold"]
    sentence: str


class LockRequest(Frozen):
    """A request for the exclusive right to roll a service back."""

    region: str
    service: str
    holder: str
    """Workflow id of whoever asks."""
    run: str
    """And its run: a rollback that is begun again under the same id is another one."""
    priority: int = 0
    """Whoever has a higher one goes first, and has a holder with a lower one give way."""


class Outranked(Frozen):
    """A lock's word to its holder, which gives way once the changes of its stage are made and checked; where a person
    has paused it, between two of them."""

    service: str
    by: LockRequest | None
    """Who of a higher priority waits for the lock. None: nobody does any more."""


SURVEY = Contract(
    "rollback.survey.v1", Scope, Survey, timeout=timedelta(seconds=30), attempts=2, when_silent=WhenRegionIsSilent.SKIP
)
"""What cannot be had is missing in it: a store that is down costs seconds, and the plan is then made without."""
PLAN = Contract("rollback.plan.v1", PlanRequest, Plan, timeout=timedelta(seconds=15))
PRECHECK = Contract("rollback.precheck.v1", PrecheckRequest, Precheck, timeout=timedelta(seconds=10))
READ_BACK = Contract("rollback.readback.v1", ReadBackRequest, Verdict, timeout=timedelta(seconds=30))
DECIDE = Contract("rollback.decide.v1", DecisionRequest, Decision, timeout=timedelta(seconds=20))
LOCK = Contract("rollback.lock.v1", LockRequest, bool, timeout=timedelta(seconds=10), attempts=30)
"""Asks the service's lock workflow, which answers with the signal ``lock_granted``."""
HOLDER_RUNS = Contract("rollback.holder-runs.v1", LockRequest, bool, timeout=timedelta(seconds=10))
"""Whether the workflow that holds a lock still runs: a terminated one cannot release it."""


def lock_id(region: str, service: str) -> str:
    """The workflow that hands out the right to roll *service* back in *region*."""
    return f"lock:{region}:{service}"
