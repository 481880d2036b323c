"""What a rollback does: operations that can be undone, checks that they took hold, and gates between stages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.base import Frozen, Percent, Time
from models.verdict import Need

# Operations


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


class Mirror(Frozen):
    """Send a release a copy of this share of the GET requests, whose answers nobody sees; undone by the share before.

    It warms the release on real requests and shows how it answers them.
    """

    kind: Literal["mirror"] = "mirror"
    release: str
    percent: Percent


class Freeze(Frozen):
    """Let nobody deploy the service, or let them again; undone by what was before."""

    kind: Literal["freeze"] = "freeze"
    frozen: bool


class Restart(Frozen):
    """Replace the replica of a release that has run longest by a new one, which serves before the old one is drained.

    Lossless, so nothing is to be undone: one that has not been replaced yet stays. On Kubernetes all replicas are
    replaced, one after the other as the Deployment's rolling strategy says.
    """

    kind: Literal["restart"] = "restart"
    release: str
    at: Time
    """When it was asked for: tells this restart from any other."""


Operation = Annotated[Scale | Route | Drain | Mirror | Freeze | Restart, Field(discriminator="kind")]

# Checks: has an operation taken hold?


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


Check = Annotated[Ready | Routed | Drained, Field(discriminator="kind")]

# Gates: may the next stage begin?


class Soak(Frozen):
    """Passes when the release has met its objectives on enough requests for the whole time."""

    kind: Literal["soak"] = "soak"
    release: str
    seconds: float
    extension: float
    min_requests: int
    """0: requests can only speak against it, and none is needed."""


class Compare(Frozen):
    """Passes when the release, held against those that serve at the same time, is what *need* says."""

    kind: Literal["compare"] = "compare"
    release: str
    need: Need
    seconds: float
    extension: float
    min_requests: int


Gate = Annotated[Soak | Compare, Field(discriminator="kind")]


class StageStep(Frozen):
    """The smallest change that can be undone."""

    id: str
    """Stable across replays and releases: part of the idempotency key. Unique within a service's rollback."""
    title: str
    operation: Operation
    check: Check | None = None
    """What shows that the operation has taken hold; looked at before anything else is done."""


class Stage(Frozen):
    """Steps, each checked, and a gate behind them that must pass before the next stage begins."""

    name: str
    title: str
    steps: tuple[StageStep, ...] = ()
    gate: Gate | None = None
    point_of_no_return: bool = False
    """Past this stage the way back is no longer lossless. The gate before it stands guard."""
    approval: bool = False
    """A person must approve this stage before it begins."""

    @property
    def moves_traffic(self) -> bool:
        """From here on, undoing would send users back to the release that is rolled away from."""
        return any(isinstance(step.operation, Route) for step in self.steps)
