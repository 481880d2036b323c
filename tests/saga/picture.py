"""What a rollback may change, as it is."""

from __future__ import annotations

from tests.world.world import World


async def picture(world: World) -> tuple[object, ...]:
    """Everything that a rollback may touch."""
    routing, workload = await world.routing(), await world.workload()
    return routing.weights, routing.draining, {release: n for release, n in workload.replicas.items() if n}
