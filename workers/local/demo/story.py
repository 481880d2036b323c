"""What has happened in one run of the demo, fed by events: what the view shows and the report sums up.

Pure state: times come in with the events, as Unix time; only a note is given its time here, by the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from deploy.demo.load import Second, Totals
from models.base import Time
from models.catalog import Level
from models.incident import Milestone, Phase, StepRecord
from models.verdict import Verdict

Moment = Literal["started", "fleet-ready", "deployed", "recovered", "load-stopped"]

CHAIN = (
    Phase.PROTECTING,
    Phase.ASSESSING,
    Phase.PLANNING,
    Phase.EXECUTING,
    Phase.VERIFYING,
    Phase.LIFTING,
    Phase.RESOLVED,
)
"""The phases of an undisturbed incident, in their order."""

_OBJECT = TypeAdapter(dict[str, Any])
_SECOND = TypeAdapter(Second)
_TOTALS = TypeAdapter(dict[str, Totals])


class _Told(BaseModel):
    """A part of the gateway's answer; what the demo does not show is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Step(_Told):
    record: StepRecord


class Incident(_Told):
    """One incident as the gateway told it last. Before its journal arrives, little more than its id is known."""

    id: str
    region: str | None = None
    service: str | None = None
    level: Level | None = None
    phase: Phase | None = None
    detail: str = ""
    sentence: str = ""
    strategy: str | None = None
    target: str | None = None
    plan: dict[str, Any] | None = None
    verdict: Verdict | None = None
    milestones: dict[Milestone, Time] = {}
    received_at: Time | None = None
    steps: tuple[Step, ...] = ()
    links: dict[str, str] = {}
    furthest: Phase | None = None
    """The last phase of :data:`CHAIN` in which it was seen: where it stands while it is held."""

    @property
    def advised(self) -> bool:
        """It is assessed and reported only; nothing is done."""
        return self.level is Level.ADVISE

    @property
    def over(self) -> bool:
        return self.phase is not None and self.phase.ended

    @property
    def hold(self) -> str | None:
        """Why it is held, while it is."""
        if self.phase is not Phase.HELD:
            return None
        return self.detail or self.sentence or "no reason was given"

    @property
    def bad(self) -> str | None:
        """The release that its plan goes away from."""
        works: Iterable[dict[str, Any]] = (step["work"] for step in (self.plan or {}).get("steps", ()))
        return next((work["rollback"]["services"][0]["bad"] for work in works if work["kind"] == "rollback"), None)

    def at(self, milestone: Milestone) -> float | None:
        """Unix time of *milestone*; none where it was not reached."""
        reached = self.milestones.get(milestone)
        if reached is None and milestone is Milestone.RECEIVED:
            reached = self.received_at
        return reached.timestamp() if reached else None

    def since_receipt(self, milestone: Milestone) -> float | None:
        """Seconds from the webhook's receipt to *milestone*; none where one of them is not known."""
        received, reached = self.at(Milestone.RECEIVED), self.at(milestone)
        return None if received is None or reached is None else reached - received


@dataclass(frozen=True)
class Note:
    """One line for whoever watches."""

    at: float
    text: str


class Story:
    """One run so far."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.notes: list[Note] = []
        self.moments: dict[Moment, float] = {}
        self.seconds: dict[str, list[Second]] = {}
        """By region, in the order in which they were."""
        self.totals: dict[str, Totals] | None = None
        """By region; none until the load generator has ended."""
        self.weights: dict[str, dict[str, int]] = {}
        """What serves at the end: weights by release, by region."""
        self.unreadable = 0
        """Lines of the load generator that could not be understood: counts are incomplete."""
        self.failures: list[str] = []
        """What went wrong with the run itself."""
        self._incidents: dict[str, Incident] = {}
        self._told: dict[str, dict[str, Any]] = {}

    # Events

    def say(self, text: str) -> None:
        """A note for whoever watches."""
        self.notes.append(Note(self._clock(), text))

    def reach(self, moment: Moment, at: float) -> None:
        """The run has come to *moment*; only the first time counts."""
        self.moments.setdefault(moment, at)

    def fail(self, sentence: str) -> None:
        """The run itself went wrong: the report must say so."""
        self.failures.append(sentence)

    def routed(self, region: str, weights: Mapping[str, int]) -> None:
        """What the mesh of *region* was read to send where."""
        self.weights[region] = dict(weights)

    def load(self, line: str) -> None:
        """One line of ``deploy/demo/load.py``: a second of one region, or the totals. The same second counts once."""
        try:
            told: dict[str, Any] = _OBJECT.validate_json(line)
            if "totals" in told:
                self.totals = _TOTALS.validate_python(told["totals"])
                return
            second = _SECOND.validate_python(told)
        except ValidationError:
            self.unreadable += 1
            return
        known = self.seconds.setdefault(second.region, [])
        if not known or second.at > known[-1].at:
            known.append(second)

    def incident(self, told: Mapping[str, Any]) -> None:
        """An incident as ``GET /v1/incidents`` or ``GET /v1/incidents/{id}`` answers; the former leaves things out."""
        merged = {**self._told.get(told["id"], {}), **told}
        if merged.get("phase") in CHAIN:
            merged["furthest"] = merged["phase"]
        incident = Incident.model_validate(merged)
        self._told[incident.id], self._incidents[incident.id] = merged, incident

    # Where it stands

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Those that came first come first; ids are sortable by time."""
        return tuple(self._incidents[id] for id in sorted(self._incidents))

    def acting(self, region: str | None = None) -> tuple[Incident, ...]:
        """The incidents in which something is done, of all regions or of one."""
        found = (incident for incident in self.incidents if not incident.advised)
        return tuple(incident for incident in found if region is None or incident.region == region)

    def over(self, regions: Sequence[str]) -> bool:
        """Each of *regions* has had an incident that acts, and all of those have ended or are held."""
        return all(self.acting(region) for region in regions) and all(incident.over for incident in self.acting())
