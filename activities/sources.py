"""Where the numbers come from: each telemetry driver of the catalog once, with the services that it knows."""

from __future__ import annotations

from dataclasses import dataclass

from activities.analytics.telemetry import Sampling
from activities.directory import TELEMETRY
from models.catalog import Catalog, Driver


@dataclass(frozen=True)
class Source:
    """One telemetry driver and the services that it knows."""

    telemetry: Sampling
    region: str
    services: tuple[str, ...]
    url: str


def sources_of(catalog: Catalog) -> tuple[Source, ...]:
    """One source for each telemetry driver that a service of the catalog uses."""
    served: dict[tuple[str, str, str], tuple[Driver, list[str]]] = {}
    for name, service in catalog.services.items():
        for region in service.regions:
            driver = catalog.driver("telemetry", region, name)
            served.setdefault((region, driver.kind, driver.url), (driver, []))[1].append(name)
    return tuple(
        Source(TELEMETRY[kind](region, driver), region, tuple(names), driver.url)
        for (region, kind, _), (driver, names) in served.items()
    )
