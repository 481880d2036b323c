"""Reading the world that a plan is made for: one service in one region, as mesh and platform have it."""

from __future__ import annotations

from activities.directory import Directory
from models.scope import Scope
from models.service_state import ServiceState


async def read_state(directory: Directory, scope: Scope) -> ServiceState:
    """The service at this moment. Raises what its drivers raise."""
    mesh = await directory.mesh(scope)
    platform = await directory.platform(scope)
    routing = await mesh.read(scope.service)
    workload = await platform.read(scope.region, scope.service)
    return ServiceState(
        region=scope.region,
        service=scope.service,
        weights=routing.weights,
        mesh_generation=routing.generation,
        replicas=workload.replicas,
        ready=workload.ready,
        platform_generation=workload.generation,
        deployments=workload.deployments,
        runnable=workload.runnable,
        room=(await directory.catalog(scope)).service(scope.service).max_replicas,
    )
