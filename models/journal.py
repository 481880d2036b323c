"""The journal: what a workflow reports of itself. The store chains the entries and projects them into rows.

A kind's payload is the JSON dump of the model named beside it in :data:`PAYLOADS`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from models.assessment import Assessment
from models.base import Frozen, Time
from models.incident import IncidentResult, IncidentStart, Milestone, Phase
from models.plan import Rejected
from models.receipt import Receipt
from models.verdict import Verdict

Kind = Literal[
    "incident-started",
    "phase",
    "milestone",
    "step",
    "receipt",
    "assessment",
    "plan",
    "verdict",
    "alerts",
    "operator",
    "incident-ended",
]

Identifier = Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]
"""Printable ASCII without blanks: an incident's ULID, a workflow id."""


class JournalEntry(Frozen):
    """One thing that happened in an incident, as its source tells it."""

    incident: Identifier
    source: Identifier
    """Which workflow wrote it: its id."""
    source_seq: Annotated[int, Field(ge=0)]
    """The source's own numbering: the same number of the same source is the same entry, however often it is sent."""
    kind: Kind
    at: Time
    payload: dict[str, Any]


class Started(IncidentStart):
    workflow: str
    """Temporal workflow id: what people look up in its UI."""


class PhaseEntered(Frozen):
    phase: Phase
    detail: str = ""


class MilestoneReached(Frozen):
    name: Milestone
    at: Time


class StepReported(Frozen):
    """A step as it stands now; a later report of the same step replaces it. The entry's time is the step's."""

    step: str
    title: str
    module: str
    status: Literal["registered", "done", "failed", "undone", "superseded", "nothing-to-undo"]
    detail: str = ""
    resource: str = ""
    workflow: str = ""


class ReceiptKept(Frozen):
    """What undoing the step needs, or what undoing it came to: the receipt's key tells which."""

    step: str
    receipt: Receipt


class PlanMade(Frozen):
    hash: str
    preview: tuple[str, ...] = ()
    strategy: str | None = None
    target: str | None = None
    rejected: tuple[Rejected, ...] = ()


class AlertsJoined(Frozen):
    count: Annotated[int, Field(ge=0)]
    """Alerts that came with this entry, the first ones included."""
    fingerprints: tuple[str, ...] = ()


class OperatorActed(Frozen):
    action: str
    by: str
    reason: str = ""


PAYLOADS: dict[Kind, type[Frozen]] = {
    "incident-started": Started,
    "phase": PhaseEntered,
    "milestone": MilestoneReached,
    "step": StepReported,
    "receipt": ReceiptKept,
    "assessment": Assessment,
    "plan": PlanMade,
    "verdict": Verdict,
    "alerts": AlertsJoined,
    "operator": OperatorActed,
    "incident-ended": IncidentResult,
}
