"""Who is drawn into a service's trouble: its direct dependants, what they are worth, and whether they suffer now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from activities.objectives import burns
from models.assessment import Dependant, Spread
from models.catalog import Catalog, Slos
from models.incident import Impact
from models.telemetry import USERS, NoData, WindowReading
from models.verdict import Finding
from models.worth import impact_of

FEWEST_REQUESTS: Final = 20
"""Fewer requests than these say nothing about a dependant."""


def spread(catalog: Catalog, region: str, service: str, windows: Mapping[str, WindowReading]) -> Spread:
    """The direct dependants of *service* that run in *region*, those worth most first.

    *windows*: a window of each dependant's counts, by name; one that is missing, or has no data, is inconclusive.
    """
    found = [
        Dependant(
            service=name,
            tier=catalog.services[name].tier,
            impact=impact_of(catalog, name),
            health=health(windows.get(name), catalog.services[name].slos),
        )
        for name in dependants(catalog, region, service)
    ]
    found.sort(key=lambda dependant: (-dependant.impact.revenue_per_minute, dependant.tier, dependant.service))
    return Spread(dependants=tuple(found), sentence=_sentence(service, region, found))


def dependants(catalog: Catalog, region: str, service: str) -> tuple[str, ...]:
    """Who calls *service* directly in *region*: the services of which :func:`spread` wants a window."""
    return tuple(name for name in catalog.dependants(service) if region in catalog.services[name].regions)


def health(window: WindowReading | None, slos: Slos) -> Finding:
    """FAIL where the share of bad requests of the callers is surely above an objective's, INCONCLUSIVE on doubt."""
    if window is None or isinstance(window, NoData) or USERS not in window.arms:
        return Finding.INCONCLUSIVE
    measured = burns(window.arms[USERS], slos)
    if any(burn.total >= FEWEST_REQUESTS and burn.share[0] > burn.allowed for burn in measured):
        return Finding.FAIL
    within = all(burn.total >= FEWEST_REQUESTS and burn.within for burn in measured)
    return Finding.PASS if within else Finding.INCONCLUSIVE


def _sentence(service: str, region: str, found: list[Dependant]) -> str:
    if not found:
        return f"no service of the catalog depends on {service} in {region}"
    parts = [
        f"{len(names)} {what}: {', '.join(names)}"
        for finding, what in _WORDS.items()
        if (names := [_worth(dependant) for dependant in found if dependant.health is finding])
    ]
    count = f"{len(found)} service depends" if len(found) == 1 else f"{len(found)} services depend"
    return f"{count} on {service} in {region}; {'; '.join(parts)}"


_WORDS: Final = {
    Finding.FAIL: "suffering now",
    Finding.PASS: "within objectives",
    Finding.INCONCLUSIVE: "not known",
}


def _worth(dependant: Dependant) -> str:
    return f"{dependant.service} ({worth(dependant.impact)})"


def worth(impact: Impact) -> str:
    """An impact for a sentence, its origin with it unless it is the catalog's."""
    label = "" if impact.source == "catalog" else f", {impact.source}"
    return f"${impact.revenue_per_minute:,.0f}/min{label}"
