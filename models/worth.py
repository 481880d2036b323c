"""What a service is taken to be worth: what the caller states, else what the catalog says, else its tier's default.

Unknown is a value: it is filled in with a default, labelled as such, and never with zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from models.catalog import Catalog, TierDefaults
from models.incident import Impact

TIERS: Final[Mapping[int, TierDefaults]] = MappingProxyType(
    {
        1: TierDefaults(revenue_per_minute=1000, customers=10_000),
        2: TierDefaults(revenue_per_minute=200, customers=2_000),
        3: TierDefaults(revenue_per_minute=20, customers=200),
        4: TierDefaults(revenue_per_minute=1, customers=10),
    }
)
"""For tiers of which the catalog says nothing. Orders of magnitude, chosen so that the order of the tiers is kept."""


def impact_of(catalog: Catalog, service: str, stated: Impact | None = None) -> Impact:
    """What one minute without *service* costs. One figure that is missing makes the whole a tier's default."""
    if stated is not None:
        return stated
    entry = catalog.services[service]
    value, default = entry.value, catalog.tiers.get(entry.tier, TIERS[entry.tier])
    complete = value.revenue_per_minute is not None and value.customers is not None
    return Impact(
        revenue_per_minute=default.revenue_per_minute if value.revenue_per_minute is None else value.revenue_per_minute,
        customers=default.customers if value.customers is None else value.customers,
        source="catalog" if complete else "tier-default",
    )
