"""The control planes that a catalog names, and what they have of one incident."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from activities.directory import MESHES, PLATFORMS
from activities.driver import Refused, Unavailable
from activities.mesh.driver import Mesh
from activities.platform.activities import judge_ready
from activities.platform.contract import ready_again
from activities.platform.driver import Platform
from models.base import SternwayError
from models.catalog import Catalog, Driver
from models.identity import Key
from models.receipt import Fence, Receipt
from models.stage import Ready

PATIENCE = 10.0
"""Seconds in which a control plane that does not answer is asked again: one that was killed is back by then."""

AGAIN = 0.2
"""Seconds between two looks, or two attempts."""

Answer = TypeVar("Answer")


class NotUndone(SternwayError):
    """The undoing is not over: somebody has not confirmed it, or its replicas are not ready."""


@dataclass(frozen=True)
class Place:
    """One service in one region."""

    region: str
    service: str


@dataclass(frozen=True)
class MeshPlane:
    """A mesh control plane. The resource of its receipts is the service."""

    name: str
    driver: Driver
    region: str
    mesh: Mesh

    def place(self, receipt: Receipt) -> Place:
        return Place(self.region, receipt.resource)

    async def receipts(self, incident: str) -> tuple[Receipt, ...]:
        return await self.mesh.receipts(incident)

    async def fence(self, incident: str) -> Fence:
        return await self.mesh.fence(incident)

    async def undo(self, change: Receipt) -> Receipt:
        """Take it back, once every proxy has that. Raises NotUndone, Refused, Unavailable."""
        receipt = await self.mesh.undo(Key.parse(change.key), change.resource)
        if receipt.pending:
            raise NotUndone(f"not acknowledged by {', '.join(receipt.pending)}")
        return receipt

    async def unconfirmed(self, place: Place) -> tuple[str, ...]:
        """Proxies that do not have what is wanted for the service; replicas that come and go take them a moment."""
        deadline = time.monotonic() + PATIENCE
        while True:
            missing = (await self.mesh.read(place.service)).missing
            if not missing or time.monotonic() > deadline:
                return missing
            await asyncio.sleep(AGAIN)


@dataclass(frozen=True)
class PlatformPlane:
    """A platform's. The resource of its receipts is ``region/service``."""

    name: str
    driver: Driver
    platform: Platform

    def place(self, receipt: Receipt) -> Place:
        region, _, service = receipt.resource.partition("/")
        return Place(region, service)

    async def receipts(self, incident: str) -> tuple[Receipt, ...]:
        return await self.platform.receipts(incident)

    async def fence(self, incident: str) -> Fence:
        return await self.platform.fence(incident)

    async def undo(self, change: Receipt) -> Receipt:
        """Take it back, once the replicas that this brings back are ready. Raises NotUndone, Refused, Unavailable."""
        place = self.place(change)
        receipt = await self.platform.undo(Key.parse(change.key), place.region, place.service)
        for gate in ready_again(receipt):
            await self._pass(gate, place)
        return receipt

    async def unconfirmed(self, place: Place) -> tuple[str, ...]:
        """A platform has nobody who would have to confirm."""
        return ()

    async def _pass(self, gate: Ready, place: Place) -> None:
        deadline = time.monotonic() + gate.timeout
        while True:
            verdict = judge_ready(gate, (await self.platform.read(place.region, place.service)).ready)
            if verdict.passed:
                return
            if time.monotonic() > deadline:
                raise NotUndone(f"{verdict.sentence} after {gate.timeout:g} s")
            await asyncio.sleep(AGAIN)


Plane = MeshPlane | PlatformPlane


def planes(catalog: Catalog, operate: str) -> tuple[Plane, ...]:
    """Every control plane that *catalog* names, once each. Without the token *operate* they can only be read."""
    meshes = [
        MeshPlane(f"mesh {label} of {region}", driver, region, MESHES[driver.kind](driver, operate))
        for region, parts in catalog.regions.items()
        for label, driver in parts.mesh.items()
    ]
    shared: dict[Driver, list[str]] = {}
    for region, parts in catalog.regions.items():
        for label, driver in parts.platform.items():
            shared.setdefault(driver, []).append(f"{label} of {region}")
    platforms = [
        PlatformPlane(f"platform {', '.join(names)}", driver, PLATFORMS[driver.kind](driver, operate))
        for driver, names in shared.items()
    ]
    return (*meshes, *platforms)


def serves(plane: Plane, place: Place, catalog: Catalog) -> bool:
    """Whether changes of the service in the region go to this control plane."""
    service = catalog.services.get(place.service)
    if service is None or place.region not in service.regions:
        return False
    module: Literal["mesh", "platform"] = "mesh" if isinstance(plane, MeshPlane) else "platform"
    driver = catalog.driver(module, place.region, place.service)
    here = not isinstance(plane, MeshPlane) or plane.region == place.region
    return here and driver == plane.driver


@dataclass(frozen=True)
class Gathered:
    """What the control planes have of one incident, by name."""

    receipts: Mapping[str, tuple[Receipt, ...]]
    away: Mapping[str, str]
    """Those that did not answer, and why."""


async def gather(asked: Sequence[Plane], incident: str) -> Gathered:
    """Ask all of them at once."""
    answers = await asyncio.gather(*(_ask(plane, incident) for plane in asked))
    named = dict(zip((plane.name for plane in asked), answers, strict=True))
    return Gathered(
        receipts={name: answer for name, answer in named.items() if not isinstance(answer, str)},
        away={name: answer for name, answer in named.items() if isinstance(answer, str)},
    )


async def patiently(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer of *call*, which is made again while nobody answers it. Raises Unavailable after :data:`PATIENCE`."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return await call()
        except Unavailable:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(AGAIN)


async def _ask(plane: Plane, incident: str) -> tuple[Receipt, ...] | str:
    try:
        return await plane.receipts(incident)
    except (Unavailable, Refused) as no:
        return str(no)
