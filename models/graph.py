"""The dependency graph: who depends on whom."""

from __future__ import annotations

from collections.abc import Collection, Mapping

Graph = Mapping[str, Collection[str]]
"""By service, what it depends on directly. A service that is not named depends on nothing."""


def reach(service: str, graph: Graph) -> set[str]:
    """Everything that *service* depends on, directly or not; itself only where it is in a circle."""
    found: set[str] = set()
    ahead = list(graph.get(service, ()))
    while ahead:
        if (name := ahead.pop()) not in found:
            found.add(name)
            ahead.extend(graph.get(name, ()))
    return found
