"""Plans: a graph of steps, the state of the world that they were made for, and a hash over both."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.base import Frozen
from models.catalog import RollbackPolicy
from models.digest import digest
from models.service_state import ServiceState
from models.stage import Stage
from models.verdict import Verdict


class Rejected(Frozen):
    """A selection rule, or an alternative, that was not taken."""

    rule: str
    reason: str


class ServiceRollback(Frozen):
    """One service's way back: from what to what, for which state of the world."""

    strategy: str
    target: str
    """The release to go back to."""
    bad: str
    """The release to go away from."""
    state: ServiceState
    policy: RollbackPolicy
    before: Verdict
    """Health of the bad release as it was before anything was changed."""


class Lane(Frozen):
    """Stages of one service, one after the other."""

    service: str
    stages: tuple[Stage, ...]


class Wave(Frozen):
    """Lanes that run side by side; the next wave begins when every one of them has passed."""

    lanes: tuple[Lane, ...]


class Expectation(Frozen):
    """What a rollback takes, and what the trouble costs until then."""

    seconds: float
    """Until traffic has left the bad releases: the 95th percentile of earlier ones, or what its checks and gates may
    take at most."""
    from_history: bool
    failed_requests: float | None
    """At the rate of now; none where that was not measured."""
    loss: float
    """US dollars. What was not measured is taken to be the whole revenue."""
    loss_known: bool


class RollbackPlan(Frozen):
    """The rollback of one service, or of several in waves, selected and explained."""

    strategy: str
    services: Annotated[tuple[ServiceRollback, ...], Field(min_length=1)]
    """The troubled one first, where it goes back itself."""
    waves: tuple[Wave, ...]
    expected: Expectation
    selected_because: str
    priority: int = 0
    """A rollback with a higher one takes the lock of a service over from those with lower ones, which finish or leave
    off where nothing is half done: see :class:`activities.rollback.contract.Outranked`."""

    @property
    def first(self) -> ServiceRollback:
        """The one that the plan is named after: the troubled service, where it goes back itself."""
        return self.services[0]

    def stages_of(self, service: str) -> tuple[Stage, ...]:
        """All stages of one service, over all waves."""
        return tuple(s for wave in self.waves for lane in wave.lanes if lane.service == service for s in lane.stages)


class RollbackWork(Frozen):
    """Roll back, as a child workflow with its own saga."""

    kind: Literal["rollback"] = "rollback"
    rollback: RollbackPlan


class VerifyWork(Frozen):
    """Read release, weights and readiness back and hold them against what the rollback was to reach."""

    kind: Literal["verify"] = "verify"
    service: str
    release: str
    replicas: int


class LiftWork(Frozen):
    """Release the protective lease."""

    kind: Literal["lift"] = "lift"


class ConfirmWork(Frozen):
    """Watch what users see, unprotected, until the objectives are met on enough requests."""

    kind: Literal["confirm"] = "confirm"
    service: str
    seconds: float
    extension: float
    min_requests: int


Work = Annotated[RollbackWork | VerifyWork | LiftWork | ConfirmWork, Field(discriminator="kind")]


class PlanStep(Frozen):
    """A node of the plan's graph: work for one module."""

    id: str
    title: str
    module: Literal["rollback", "mesh", "breaker", "analytics"]
    priority: int = 0
    """Higher first, where the coordination strategy looks at it."""
    depends_on: tuple[str, ...] = ()
    work: Work


class Plan(Frozen):
    """What would be done, in which order, for which state of the world."""

    incident: str
    steps: tuple[PlanStep, ...]
    """In topological order."""
    hold: str | None = None
    """Why nothing can be done without a person; then there are no steps."""
    rejected: tuple[Rejected, ...] = ()
    preview: tuple[str, ...] = ()
    """The plan in sentences, for a person to read before it runs."""

    @property
    def rollback(self) -> RollbackPlan | None:
        """The first rollback of the plan: the one that its strategy and release are named after."""
        return next((step.work.rollback for step in self.steps if isinstance(step.work, RollbackWork)), None)

    def asks(self, seconds: float) -> str:
        """What is said while it waits, for so many seconds, for a person who must approve it."""
        how = f"sternway incidents approve {self.incident} --plan {self.hash}"
        return f"the plan waits for an approval: `{how}` lets it run; without an approval in {seconds:g} s it is held"

    @property
    def hash(self) -> str:
        """Digest over the steps and the state that they were made for: two equal plans have the same."""
        return digest(self.model_dump(mode="json", exclude={"preview": True}))
