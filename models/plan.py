"""Plans: a graph of steps, the state of the world that they were made for, and a hash over both."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field

from models.base import Frozen, Percent, Time
from models.catalog import RollbackPolicy


class Deployment(Frozen):
    """One release event of a service, as the platform knows it."""

    release: str
    at: Time


class ServiceState(Frozen):
    """One service in one region as it was read: what a plan is made for, and what undoing goes back to."""

    region: str
    service: str
    weights: dict[str, Percent]
    """By release; they sum to 100, or to 0 where nothing is routed."""
    mesh_generation: int
    replicas: dict[str, int]
    """Wanted, by release."""
    ready: dict[str, int]
    """Ready to serve, by release."""
    platform_generation: int
    deployments: tuple[Deployment, ...] = ()
    """Newest first."""

    def fingerprint(self) -> str:
        """Digest of what a plan relies on. Readiness moves by itself and is checked by gates instead."""
        return _digest(self.model_dump(mode="json", exclude={"ready", "deployments"}))


class Scale(Frozen):
    """Have so many replicas of a release; undone by the number before."""

    kind: Literal["scale"] = "scale"
    release: str
    replicas: int


class Route(Frozen):
    """Send these shares of the requests to the releases; undone by the shares before."""

    kind: Literal["route"] = "route"
    weights: dict[str, Percent]


class Drain(Frozen):
    """Let a release finish the requests that it has and give it no new ones; undone by admitting it again."""

    kind: Literal["drain"] = "drain"
    release: str


Operation = Annotated[Scale | Route | Drain, Field(discriminator="kind")]


class Ready(Frozen):
    """Passes when so many replicas of the release are ready."""

    kind: Literal["ready"] = "ready"
    release: str
    replicas: int
    timeout: float


class Routed(Frozen):
    """Passes when the weights, read back from the mesh, are these and every expected proxy has them."""

    kind: Literal["routed"] = "routed"
    weights: dict[str, Percent]
    timeout: float


class Drained(Frozen):
    """Passes when the release has no request in flight."""

    kind: Literal["drained"] = "drained"
    release: str
    timeout: float


class Soak(Frozen):
    """Passes when the release has met its objectives on enough requests for the whole time."""

    kind: Literal["soak"] = "soak"
    release: str
    seconds: float
    extension: float
    min_requests: int


Gate = Annotated[Ready | Routed | Drained | Soak, Field(discriminator="kind")]


class StageStep(Frozen):
    """The smallest change that can be undone."""

    id: str
    """Stable across replays and releases: part of the idempotency key."""
    title: str
    operation: Operation


class Stage(Frozen):
    """Steps, and a gate behind them that must pass before the next stage begins."""

    name: str
    title: str
    steps: tuple[StageStep, ...] = ()
    gate: Gate | None = None
    moves_traffic: bool = False
    """From here on, undoing would send users back to the release that is rolled away from."""
    point_of_no_return: bool = False
    """Past this stage the way back is no longer lossless. The gate before it stands guard."""


class Rejected(Frozen):
    """A selection rule, or an alternative, that was not taken."""

    rule: str
    reason: str


class RollbackPlan(Frozen):
    """The stages of one service's rollback, selected and explained."""

    strategy: str
    target: str
    """The release to go back to."""
    bad: str
    """The release to go away from."""
    stages: tuple[Stage, ...]
    state: ServiceState
    policy: RollbackPolicy
    selected_because: str
    rejected: tuple[Rejected, ...] = ()


class RollbackWork(Frozen):
    """Roll one service back, as a child workflow with its own saga."""

    kind: Literal["rollback"] = "rollback"
    rollback: RollbackPlan


class VerifyWork(Frozen):
    """Read release, weights and readiness back and hold them against what the rollback was to reach."""

    kind: Literal["verify"] = "verify"
    release: str
    replicas: int


class LiftWork(Frozen):
    """Release the protective lease."""

    kind: Literal["lift"] = "lift"


class ConfirmWork(Frozen):
    """Watch what users see, unprotected, until the objectives are met on enough requests."""

    kind: Literal["confirm"] = "confirm"
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

    @property
    def hash(self) -> str:
        """Digest over the steps and the state that they were made for: two equal plans have the same."""
        return _digest(self.model_dump(mode="json", exclude={"preview": True}))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]
