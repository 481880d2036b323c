"""The journal: what a workflow reports of itself. The store chains the entries and projects them into rows.

Recording never blocks recovery, so that every entry is recorded; :data:`PAYLOADS` says what a kind's payload must be
for the rows of incidents and steps to follow it. More fields than those are recorded as well.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.alert import Severity
from models.base import Frozen, Person, Time
from models.catalog import Level
from models.hold import HeldRelease
from models.incident import Impact, Milestone, Phase
from models.point import RollbackPoint
from models.receipt import Receipt
from models.verdict import Verdict

Identifier = Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]
"""Printable ASCII without blanks: an incident's ULID, a workflow id."""


class JournalEntry(Frozen):
    """One thing that happened in an incident, as its source tells it."""

    incident: Identifier
    source: Identifier
    """Who wrote it: one run of one workflow. A second run is another source, for it numbers anew."""
    source_seq: Annotated[int, Field(ge=0)]
    """The source's own numbering: the same number of the same source is the same entry, however often it is sent."""
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z-]{0,39}$")]
    at: Time
    payload: dict[str, Any]


class Reported(BaseModel):
    """What a row takes from a payload; the rest of it stays in the journal."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Started(Reported):
    """Of an :class:`~models.incident.IncidentStart`."""

    workflow: str
    """Temporal workflow id: what people look up in its UI."""
    region: str
    service: str
    severity: Severity
    level: Level
    reason: str
    catalog: str
    received_at: Time
    impact: Impact | None = None
    alerts: tuple[Any, ...] = ()


class PhaseEntered(Reported):
    phase: Phase
    detail: str = ""


class MilestoneReached(Reported):
    name: Milestone
    at: Time


class StepReported(Reported):
    """A step as it stands now; a later report of the same step replaces it. The entry's time is the step's."""

    step: str
    title: str
    module: str
    status: Literal["registered", "done", "failed", "undone", "superseded", "nothing-to-undo"]
    detail: str = ""
    resource: str = ""
    taken_by: str | None = None
    """The source that took the step, where another one says what became of it."""


class ReceiptKept(Reported):
    """What undoing the step needs, or what undoing it came to: the receipt's key tells which."""

    step: str
    receipt: Receipt
    taken_by: str | None = None
    """As in :class:`StepReported`."""


class PlanMade(Reported):
    """The incident's row keeps the whole payload, with ``preview``, ``rejected`` and what else a plan has."""

    hash: str
    strategy: str | None = None
    target: str | None = None


class VerdictReached(Verdict):
    model_config = ConfigDict(extra="ignore")


class AlertsJoined(Reported):
    count: Annotated[int, Field(ge=0)]
    """Alerts that joined the running incident; those that it started with are not among them."""
    severity: Severity | None = None
    """Of the incident from now on: an alert that is more urgent raises it. None: as it was."""


class Ended(Reported):
    """Of an :class:`~models.incident.IncidentResult`."""

    phase: Phase
    sentence: str
    strategy: str | None = None
    target: str | None = None
    verdict: Verdict | None = None
    milestones: dict[Milestone, Time] = {}


class OperatorSaid(Reported):
    """A word that was accepted. An approval of a stage names it besides, and an undoing of one step names that."""

    action: str
    by: str = ""
    reason: str = ""


class PointTaken(RollbackPoint):
    """Made before a change of the incident."""

    model_config = ConfigDict(extra="ignore")


class ReleaseHeld(HeldRelease):
    """Since the entry's time."""

    model_config = ConfigDict(extra="ignore")


class HoldLifted(Reported):
    """Ends the incident's own hold on this release, at the entry's time."""

    service: str
    region: str
    release: str
    by: Person
    reason: str


Payload = (
    Started
    | PhaseEntered
    | MilestoneReached
    | StepReported
    | ReceiptKept
    | PlanMade
    | VerdictReached
    | AlertsJoined
    | Ended
    | OperatorSaid
    | PointTaken
    | ReleaseHeld
    | HoldLifted
)

PAYLOADS: dict[str, type[Payload]] = {
    "incident-started": Started,
    "phase": PhaseEntered,
    "milestone": MilestoneReached,
    "step": StepReported,
    "receipt": ReceiptKept,
    "plan": PlanMade,
    "verdict": VerdictReached,
    "alerts": AlertsJoined,
    "incident-ended": Ended,
    "operator": OperatorSaid,
    "point": PointTaken,
    "release-held": ReleaseHeld,
    "hold-lifted": HoldLifted,
}
"""The kind ``assessment`` lives in the journal alone."""
