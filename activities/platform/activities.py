"""The deploy target's activities: thin, each one call of a driver or one gate."""

from __future__ import annotations

from temporalio import activity

from activities.directory import Directory
from activities.platform import contract
from activities.polling import watch
from models.change import ChangeRequest, UndoRequest
from models.receipt import Receipt
from models.stage import Ready
from models.verdict import Finding, Verdict


class PlatformActivities:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    @activity.defn(name=contract.CHANGE.name)
    async def change(self, request: ChangeRequest) -> Receipt:
        platform = await self._directory.platform(request)
        return await platform.change(request.key, request.region, request.service, request.fields, request.expected)

    @activity.defn(name=contract.UNDO.name)
    async def undo(self, request: UndoRequest) -> Receipt:
        platform = await self._directory.platform(request)
        return await platform.undo(request.key, request.region, request.service)

    @activity.defn(name=contract.READY.name)
    async def ready(self, request: contract.ReadyRequest) -> Verdict:
        platform = await self._directory.platform(request)
        gate = request.gate

        async def look() -> Verdict:
            return judge_ready(gate, (await platform.read(request.region, request.service)).ready)

        return await watch(look, gate.timeout, Finding.FAIL)


def judge_ready(gate: Ready, ready: dict[str, int]) -> Verdict:
    """What was read back, by release, held against what was asked for."""
    count = ready.get(gate.release, 0)
    return Verdict(
        finding=Finding.PASS if count == gate.replicas else Finding.FAIL,
        sentence=f"{count} of {gate.replicas} replicas of {gate.release} are ready",
    )
