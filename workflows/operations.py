"""Which module makes an operation's change, and in which fields: the one place where operations meet drivers."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contract import Contract
    from activities.mesh import contract as mesh
    from activities.platform import contract as platform
    from models.change import ChangeRequest, UndoRequest
    from models.receipt import Fields, Receipt
    from models.service_state import ServiceState
    from models.stage import Drain, Freeze, Mirror, Operation, Restart, Route, Scale


@dataclass(frozen=True)
class Change:
    """An operation as its module's driver takes it."""

    module: str
    fields: Fields
    do: Contract[ChangeRequest, Receipt]
    undo: Contract[UndoRequest, Receipt]


def change_of(operation: Operation) -> Change:
    match operation:
        case Scale(release=release, replicas=replicas):
            return Change("platform", {f"replicas/{release}": replicas}, platform.CHANGE, platform.UNDO)
        case Route(weights=weights):
            fields: Fields = {f"weight/{release}": weight for release, weight in weights.items()}
            return Change("mesh", fields, mesh.CHANGE, mesh.UNDO)
        case Drain(release=release):
            return Change("mesh", {f"drain/{release}": True}, mesh.CHANGE, mesh.UNDO)
        case Mirror(release=release, percent=percent):
            return Change("mesh", {f"mirror/{release}": percent or None}, mesh.CHANGE, mesh.UNDO)
        case Freeze(frozen=frozen):
            return Change("platform", {"frozen": frozen or None}, platform.CHANGE, platform.UNDO)
        case Restart(release=release, at=at):
            return Change("platform", {f"restarted/{release}": at.isoformat()}, platform.CHANGE, platform.UNDO)


def generations(state: ServiceState) -> dict[str, int]:
    """The generation that each module was read at: what its first change expects."""
    return {"mesh": state.mesh_generation, "platform": state.platform_generation}
