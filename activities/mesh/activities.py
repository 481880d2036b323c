"""The mesh module's activities: thin, each one call of a driver or one gate."""

from __future__ import annotations

from temporalio import activity

from activities.directory import Directory
from activities.mesh import contract
from activities.polling import watch
from models.change import ChangeRequest, UndoRequest
from models.receipt import Receipt
from models.stage import Routed
from models.telemetry import NoData
from models.verdict import Finding, Verdict


class MeshActivities:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    @activity.defn(name=contract.CHANGE.name)
    async def change(self, request: ChangeRequest) -> Receipt:
        mesh = await self._directory.mesh(request)
        return await mesh.change(request.key, request.service, request.fields, request.expected)

    @activity.defn(name=contract.UNDO.name)
    async def undo(self, request: UndoRequest) -> Receipt:
        mesh = await self._directory.mesh(request)
        return await mesh.undo(request.key, request.service)

    @activity.defn(name=contract.ROUTED.name)
    async def routed(self, request: contract.RoutedRequest) -> Verdict:
        """Law 5: a proxy that should answer and does not makes it inconclusive."""
        mesh = await self._directory.mesh(request)

        async def look() -> Verdict:
            routing = await mesh.read(request.service)
            return judge_routing(request.gate, routing.weights, routing.missing)

        return await watch(look, request.gate.timeout, Finding.FAIL)

    @activity.defn(name=contract.DRAINED.name)
    async def drained(self, request: contract.DrainedRequest) -> Verdict:
        telemetry = await self._directory.telemetry(request)
        release = request.gate.release

        async def look() -> Verdict:
            in_flight = await telemetry.in_flight(request.service, release)
            if isinstance(in_flight, NoData):
                return Verdict(finding=Finding.INCONCLUSIVE, sentence=in_flight.reason)
            return Verdict(
                finding=Finding.PASS if in_flight == 0 else Finding.FAIL,
                sentence=f"{release} has {in_flight} requests in flight",
            )

        return await watch(look, request.gate.timeout, Finding.FAIL)


def judge_routing(gate: Routed, weights: dict[str, int], missing: tuple[str, ...]) -> Verdict:
    """What was read back, held against what was asked for. A release that is not named has no weight."""
    if missing:
        return Verdict(finding=Finding.INCONCLUSIVE, sentence=f"not acknowledged by {', '.join(missing)}")
    releases = {*gate.weights, *weights}
    if any(gate.weights.get(release, 0) != weights.get(release, 0) for release in releases):
        return Verdict(finding=Finding.FAIL, sentence=f"the weights are {weights}, not {gate.weights}")
    return Verdict(finding=Finding.PASS, sentence=f"every expected proxy routes {gate.weights}")
