"""Which services must themselves go back. Callers do not count: they are well again when what they call is."""

from __future__ import annotations

from collections.abc import Mapping

from activities.rollback.circumstances import confidence
from activities.rollback.situation import Situation, released_together
from activities.rollback.target import Way
from models.catalog import Catalog
from models.graph import reach


def going_back(catalog: Catalog, situation: Situation, ways: Mapping[str, Way]) -> tuple[str, ...]:
    """The troubled service, unless something that it depends on is the surer cause; and what is released with them.

    A service is a cause where its newest release came soon before the trouble and measurably fails, and nothing that it
    depends on is one. *ways*: of every subject of the *situation*.
    """
    graph = {name: service.depends_on for name, service in catalog.services.items()}
    sure = {
        name
        for name, subject in situation.subjects.items()
        if confidence(subject, ways[name], situation.said.began_at, catalog.policy_of(name).rollback).high
    }
    below = {name: {other for other in reach(name, graph) if name not in reach(other, graph)} for name in sure}
    causes = {name for name in sure if not below[name] & sure} or {situation.service}
    together = released_together(catalog)
    found = causes.union(*(reach(name, together) for name in causes)) & situation.subjects.keys()
    return tuple(sorted(found, key=lambda name: (name != situation.service, name)))
