"""Where an incident stands: what it does of itself, unless it is held or a stage of it waits for a person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from temporalio import workflow

from workflows.journal import Journal
from workflows.search import PHASE, tag

with workflow.unsafe.imports_passed_through():
    from models.incident import Milestone, Phase


class Standing:
    """The phase that is shown, recorded and searched for. A hold that ends leads back to what goes on below it."""

    def __init__(self, journal: Journal, in_force: Callable[[], str]) -> None:
        """*in_force*: says what protects the service now."""
        self._journal = journal
        self._in_force = in_force
        self._own = (Phase.PROTECTING, "")
        self._shown = self._own
        self._silence: str | None = None
        self.person: str | None = None
        """Why it is held until a person says something."""
        self.awaited: dict[str, str] = {}
        """Stages that wait for an approval, and what each will do."""
        self.milestones: dict[str, datetime] = {}

    @property
    def phase(self) -> Phase:
        return self._shown[0]

    @property
    def over(self) -> bool:
        return self._own[0].ended

    @property
    def plan_waits(self) -> bool:
        """Whether the plan as a whole waits for an approval."""
        return self._own[0] is Phase.AWAITING_APPROVAL and self.person is None

    @property
    def hold(self) -> str | None:
        """Why it is held, be it for a person or until somebody acts for its region again."""
        return "; ".join(filter(None, (self.person, self._silence))) or None

    def record(self) -> None:
        phase, detail = self._shown
        self._journal.record("phase", {"phase": phase, "detail": detail})

    def enter(self, phase: Phase, detail: str = "") -> None:
        """What the incident does of itself from now on."""
        self._own = phase, detail
        self._show()

    def reach(self, milestone: Milestone, at: datetime | None = None) -> None:
        """For the first time, *at* or now."""
        if milestone not in self.milestones:
            self.milestones[milestone] = at or workflow.now()
            self._journal.record("milestone", {"name": milestone, "at": self.milestones[milestone]})

    def wait_for_person(self, reason: str | None) -> None:
        """Nothing runs any more; none: a person has said what follows."""
        self.person = reason
        self.awaited.clear()
        self._show()

    def wait_for_region(self, reason: str | None) -> None:
        """Nobody acts for the region; none: somebody does again."""
        self._silence = reason
        self._show()

    def wait_for_approval(self, stage: str, sentence: str | None) -> None:
        """The stage waits; without a *sentence* it does not any more."""
        if sentence is not None:
            self.awaited[stage] = sentence
        else:
            self.awaited.pop(stage, None)
        self._show()

    def _show(self) -> None:
        before, self._shown = self._shown, self._now()
        if self._shown == before:
            return
        self.record()
        tag({PHASE: self._shown[0]})
        self.show_details()

    def show_details(self) -> None:
        """In Temporal's interface, anew: the phase, and what is in force."""
        phase, detail = self._shown
        workflow.set_current_details(f"**{phase}** {detail}\n\n{self._in_force()}")

    def _now(self) -> tuple[Phase, str]:
        if self.over:
            return self._own
        if self.hold:
            return Phase.HELD, self.hold
        if self.awaited:
            return Phase.AWAITING_APPROVAL, "; ".join(self.awaited.values())
        return self._own
