"""In which order services go back: what others depend on first, so that each wave's gate looks at a service whose own
dependencies are healthy again.

The declared graph decides, ``depends_on`` of the catalog, and not who was seen to call whom: a call that is rare,
cached or cut by a breaker is a dependency all the same. See ``docs/decisions``.
"""

from __future__ import annotations

from collections.abc import Collection

from models.graph import Graph, reach


def waves(services: Collection[str], graph: Graph) -> tuple[tuple[str, ...], ...]:
    """*services* in the fewest waves in which none comes before another that it depends on, nor beside it.

    Also where the dependency leads over services that do not go back. Services that depend on each other in a circle go
    in one wave. Within a wave, by name.
    """
    below = {service: reach(service, graph) & set(services) for service in services}
    depths: dict[str, int] = {}

    def depth(service: str) -> int:
        if service not in depths:
            earlier = [other for other in below[service] if service not in below[other]]
            depths[service] = 1 + max(map(depth, earlier), default=-1)
        return depths[service]

    found: dict[int, list[str]] = {}
    for service in sorted(services):
        found.setdefault(depth(service), []).append(service)
    return tuple(tuple(found[number]) for number in sorted(found))
