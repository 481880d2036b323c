"""Deploying the demo's fleet, as a deployment system would: through the platform agent and the meshes."""

from __future__ import annotations

import asyncio
import time

from activities.control_plane import ControlPlane
from activities.driver import Unavailable
from activities.mesh.driver import Routing
from activities.platform.driver import Workload
from activities.platform.fields import REPLICAS
from deploy.demo.fleet.releases import RELEASES, SERVICES, how_to_run
from models.base import Frozen, SternwayError
from models.identity import Key
from models.receipt import Fields, Receipt
from workers.local.demo.stack import REGIONS, Stack

SEVERAL = {"payments": 2}
"""Replicas of each release and region; one where nothing is said."""

READY_SECONDS = 45.0


class _Accepted(Frozen):
    """An answer whose content does not matter here."""

    model_config = {"extra": "ignore"}


class Fleet:
    """Six services in two regions. Changes are made with keys of their own, like anybody's."""

    def __init__(self, stack: Stack) -> None:
        self._agent = ControlPlane("the platform agent", stack.agent, stack.tokens.operate, 10)
        self._meshes = {r: ControlPlane(f"the mesh of {r}", stack.mesh(r), stack.tokens.operate, 10) for r in REGIONS}
        self._urls = {r: {service: stack.service(r, service) for service in SERVICES} for r in REGIONS}

    async def close(self) -> None:
        await asyncio.gather(self._agent.close(), *(mesh.close() for mesh in self._meshes.values()))

    async def register(self, fault: str) -> None:
        """Tell the agent how each release is run; v2 of payments has the fault."""
        for service in SERVICES:
            for release in RELEASES:
                body = dict(how_to_run(service, release, self._urls, fault))
                await self._agent.call("PUT", f"/v1/services/{service}/releases/{release}", _Accepted, body)

    async def deploy_all(self, release: str) -> None:
        """Every service in every region, all at once."""
        await asyncio.gather(*(self.scale(r, s, release, _replicas(s)) for r in REGIONS for s in SERVICES))
        await asyncio.gather(*(self._until_ready(r, s, release) for r in REGIONS for s in SERVICES))
        await asyncio.gather(*(self.switch(r, s, release) for r in REGIONS for s in SERVICES))

    async def deploy(self, service: str, release: str, before: str) -> None:
        """A rolling deployment of one service: the new release is started, gets the traffic, the old one goes."""
        await asyncio.gather(*(self.scale(r, service, release, _replicas(service)) for r in REGIONS))
        await asyncio.gather(*(self._until_ready(r, service, release) for r in REGIONS))
        await asyncio.gather(*(self.switch(r, service, release, before) for r in REGIONS))
        await asyncio.gather(*(self.scale(r, service, before, 0) for r in REGIONS))

    async def scale(self, region: str, service: str, release: str, replicas: int) -> Receipt:
        return await self._change(self._agent, _workload(region, service), {f"{REPLICAS}{release}": replicas})

    async def switch(self, region: str, service: str, release: str, before: str | None = None) -> Receipt:
        """All traffic of *region* to *release*, and note that it is deployed now."""
        fields: Fields = {f"weight/{release}": 100, f"drain/{release}": None}
        if before:
            fields[f"weight/{before}"] = 0
        receipt = await self._change(self._meshes[region], f"/v1/services/{service}", fields)
        body = {"release": release, "key": _key(f"deployed-{region}-{service}-{release}")}
        await self._agent.call("POST", f"{_workload(region, service)}/deployments", _Accepted, body)
        return receipt

    async def weights(self, region: str, service: str) -> dict[str, int]:
        return (await self._meshes[region].call("GET", f"/v1/services/{service}", Routing)).weights

    async def _change(self, plane: ControlPlane, resource: str, fields: Fields) -> Receipt:
        body = {"key": _key(f"{resource}-{sorted(fields.items())}"), "fields": fields, "expected": None}
        receipt = await plane.call("POST", f"{resource}/changes", Receipt, body)
        if receipt.pending:
            raise SternwayError(f"{', '.join(receipt.pending)} did not acknowledge a change of {resource}")
        return receipt

    async def _until_ready(self, region: str, service: str, release: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                workload = await self._agent.call("GET", _workload(region, service), Workload)
                if workload.ready.get(release, 0) >= _replicas(service):
                    return
            except Unavailable:
                pass
            await asyncio.sleep(0.1)
        raise SternwayError(f"{service} {release} in {region} was not ready within {READY_SECONDS:g} s")


def _replicas(service: str) -> int:
    return SEVERAL.get(service, 1)


def _workload(region: str, service: str) -> str:
    return f"/v1/regions/{region}/services/{service}"


def _key(step: str) -> str:
    return str(Key(incident="deployment", step=f"{step}-{time.time_ns()}"))
