"""What a rollback workflow starts from and what it comes to."""

from __future__ import annotations

from typing import Literal

from models.base import Frozen, Time
from models.incident import StepRecord
from models.journal import JournalEntry
from models.plan import RollbackPlan
from models.scope import Scope
from models.verdict import Verdict


class RollbackStart(Scope):
    """The one argument of the rollback workflow."""

    attempt: int
    """Of the incident: a rollback that is planned anew, after one that was undone, has keys of its own."""
    peers: tuple[str, ...]
    plan: RollbackPlan
    hold_timeout: float
    """Seconds to wait for a person at a hold."""
    approval_timeout: float = 900
    """Seconds to wait for a person who must approve a stage, then hold."""
    began_at: Time | None = None
    """When the trouble was first told of; none: that is not known."""


class RollbackResult(Frozen):
    outcome: Literal["done", "stale", "compensated", "aborted", "held"]
    """``stale``: nothing of it is in effect, because the world had moved or another went first: plan again."""
    sentence: str
    steps: tuple[StepRecord, ...]
    verdict: Verdict | None
    """Of the target under traffic; none where it came to no soak."""
    contained_at: Time | None
    """When traffic had left the bad release."""
    unrecorded: tuple[JournalEntry, ...] = ()
    """What the store would not take in time: the incident records it, so that a store that is down blocks nothing."""


Action = Literal["approve", "pause", "resume", "retry", "abort"]


class Control(Frozen):
    """A person's word to a running rollback, passed on by its incident."""

    action: Action
    by: str
    reason: str
    stage: str = ""
    """What is approved: the :func:`stage_name` of a stage that waits for it."""


class Held(Frozen):
    """A rollback's word to its incident: it waits at a named place."""

    reason: str | None
    """None: it goes on."""
    for_person: bool = True
    """Whether a person's word ends it; otherwise it ends by itself, once somebody acts for the region again."""


class Awaited(Frozen):
    """A rollback's word to its incident: a stage waits for a person's approval."""

    stage: str
    """Its :func:`stage_name`."""
    sentence: str | None
    """What waits, and what it will do once it is approved. None: it waits no longer."""


def stage_name(service: str, stage: str) -> str:
    """How people and messages name one stage of one service: ``payments/retire``."""
    return f"{service}/{stage}"
