"""Incidents: what starts one, where it stands, and what it reports at its end."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Literal

from models.alert import AlertReference, Severity
from models.base import Frozen, Person, Time
from models.catalog import Level, Policy
from models.plan import Plan
from models.verdict import Verdict


class Coordination(StrEnum):
    """The order in which a plan's ready steps run."""

    SEQUENTIAL = "sequential"
    PARALLEL = "parallel"
    PRIORITY = "priority"
    ADAPTIVE = "adaptive"


class Modules(Frozen):
    """A switch for each module; what is switched off is not consulted and changes nothing."""

    predictor: bool = True
    breaker: bool = True
    propagation: bool = True
    rollback: bool = True
    mesh: bool = True
    analytics: bool = True


class Impact(Frozen):
    """What the trouble costs while it lasts, and how that is known."""

    revenue_per_minute: float
    customers: int
    source: Literal["stated", "catalog", "tier-default"]


class IncidentStart(Frozen):
    """The one argument of the incident workflow."""

    incident: str
    """ULID, minted by whoever starts the workflow."""
    region: str
    service: str
    severity: Severity
    level: Level
    coordination: Coordination = Coordination.ADAPTIVE
    modules: Modules = Modules()
    impact: Impact | None = None
    """Stated by the caller; otherwise it is assessed from the catalog."""
    catalog: str
    """Digest of the catalog that this incident began with."""
    peers: tuple[str, ...] = ()
    """Regions whose pools may act where this region's does not; empty: the incident holds instead."""
    policy: Policy
    """The service's, from that catalog."""
    alerts: tuple[AlertReference, ...] = ()
    received_at: Time
    """When the first delivery reached the gateway: the origin of every latency."""
    reason: str
    """The alert's name, or what the application said."""

    @property
    def needs_approval(self) -> bool:
        """Whether a person must approve the plan before anything of it runs."""
        return self.level is Level.PROTECT or self.policy.approval == "always"


class Phase(StrEnum):
    PROTECTING = "protecting"
    ASSESSING = "assessing"
    PLANNING = "planning"
    AWAITING_APPROVAL = "awaiting-approval"
    EXECUTING = "executing"
    VERIFYING = "verifying"
    LIFTING = "lifting"
    RESOLVED = "resolved"
    ADVISED = "advised"
    """Ended with a plan that nobody asked to run."""
    ABORTED = "aborted"
    HELD = "held"
    """Stopped at a named place, a person is needed."""
    ORPHANED = "orphaned"
    """Its workflow is gone and has undone nothing: open until a person undoes it or begins it again."""

    @property
    def ended(self) -> bool:
        return self in {Phase.RESOLVED, Phase.ADVISED, Phase.ABORTED, Phase.HELD}


class StepRecord(Frozen):
    """One step as it stands: what was done, and whether it was undone."""

    step: str
    title: str
    module: str
    status: Literal["registered", "done", "failed", "undone", "superseded", "nothing-to-undo"]
    at: Time
    detail: str = ""
    resource: str = ""


class Pause(Frozen):
    """A person has stopped an incident between two steps, until they say *resume* or *abort*."""

    by: str
    reason: str
    since: Time


class IncidentState(Frozen):
    """The answer to the workflow's ``state`` query."""

    incident: str
    workflow: str
    region: str
    service: str
    severity: Severity
    """Of the most urgent alert so far."""
    level: Level
    phase: Phase
    paused: bool
    hold: str | None
    """Why and where it is held."""
    awaited: dict[str, str] = {}
    """Stages that wait for an approval, as ``service/stage``, and what each will do."""
    alerts: tuple[AlertReference, ...]
    """The first of them; the store has all."""
    alerts_had: int
    """How many it was told of."""
    steps: tuple[StepRecord, ...]
    plan: Plan | None
    impact: Impact | None
    verdict: Verdict | None
    milestones: dict[str, Time]
    """Names of :class:`Milestone`, each with the first time it was reached."""


class Milestone(StrEnum):
    """In the order in which an undisturbed incident reaches them."""

    RECEIVED = "received"
    PROTECTED = "protected"
    PLANNED = "planned"
    CONTAINED = "contained"
    """Traffic has left the bad release."""
    LIFTED = "lifted"
    RECOVERED = "recovered"
    """What users see was verified healthy, unprotected."""
    ENDED = "ended"


class IncidentResult(Frozen):
    """What the incident workflow returns."""

    incident: str
    phase: Phase
    sentence: str
    strategy: str | None
    target: str | None
    verdict: Verdict | None
    steps: tuple[StepRecord, ...]
    milestones: dict[str, Time]

    def since_receipt(self, milestone: Milestone) -> timedelta | None:
        """The time from the webhook's receipt to *milestone*; none where it was not reached."""
        if milestone not in self.milestones:
            return None
        return self.milestones[milestone] - self.milestones[Milestone.RECEIVED]


class Approval(Frozen):
    """A person's decision on the plan that was shown to them."""

    by: str
    reason: str = ""
    plan: str | None = None
    """Hash of the plan that was looked at; an approval of another plan is refused."""


class NamedApproval(Approval):
    """As the gateway takes it from people; an :class:`Approval` still reads what was said without a name before."""

    by: Person


class StageApproval(Approval):
    """A person's decision on one stage of that plan, which waits for it."""

    service: str
    stage: str
